/** One small service behind each kind of door, and a client that sends exactly the octets it is told to. */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createHttp2 } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import fastify from "fastify";
import { onTestFinished } from "vitest";
import {
  type AccessGate,
  type ExpressMiddleware,
  expressAccess,
  fastifyAccess,
  guardListener,
  protectServer,
} from "../../src/service/access/index.ts";
import { portOf } from "./listening.ts";

export interface Door {
  readonly name: string;
  /** The port on which it listens. */
  open(gate: AccessGate): Promise<number>;
}

const answer: RequestListener = (request, response) => void response.end(`served ${request.method} ${request.url}`);

/** Express as far as it matters here: middleware in turn, then routes without regard to case and a slash at the end, else a wildcard. */
function expressLike(middleware: readonly ExpressMiddleware[]): RequestListener {
  return (request: IncomingMessage, response: ServerResponse) => {
    const step = (index: number): void => {
      const next = middleware[index];
      if (next === undefined) {
        const path = (request.url ?? "").split("?")[0]?.toLowerCase().replace(/\/$/, "");
        response.end(path === "/admin" ? "served the admin page" : `served ${request.method} ${request.url}`);
      } else next(request, response, () => step(index + 1));
    };
    step(0);
  };
}

/** As the package method-override does. */
const methodOverride: ExpressMiddleware = (request, _, next) => {
  const wanted = request.headers["x-http-method-override"];
  if (typeof wanted === "string") request.method = wanted;
  next();
};

export const DOORS: readonly Door[] = [
  { name: "node:http, one listener", open: (gate) => portOf(createServer(guardListener(gate, answer))) },
  { name: "node:http, the whole server", open: (gate) => portOf(protectServer(createServer(answer), gate)) },
  { name: "express-like", open: (gate) => portOf(createServer(expressLike([expressAccess(gate), methodOverride]))) },
  {
    name: "fastify",
    open: async (gate) => {
      const app = fastify({ routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, caseSensitive: false } });
      await app.register(fastifyAccess(gate));
      app.all("/admin", () => "served the admin page");
      app.all("/orders/:id", (request) => `served ${request.method} ${request.url}`);
      await app.register(async (inner) => {
        inner.all("/*", (request) => `served ${request.method} ${request.url}`);
      });
      await app.listen({ port: 0, host: "127.0.0.1" });
      onTestFinished(() => app.close());
      return (app.addresses()[0] as AddressInfo).port;
    },
  },
];

/** A server of HTTP/2 without TLS whose requests and raw streams are both listened to. */
export const openHttp2 = (gate: AccessGate): Promise<number> =>
  portOf(
    protectServer(
      createHttp2((request, response) => response.end(`served ${request.method} ${request.url}`)),
      gate,
    ),
  );

/** The answer to these lines: its status and body. */
export async function send(port: number, ...lines: readonly string[]): Promise<{ readonly status: number; readonly body: string }> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.write(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  const whole = await text(socket);
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(whole)?.[1] ?? 0), body: whole.slice(whole.indexOf("\r\n\r\n") + 4) };
}

export const ask = (port: number, method: string, target: string, ...headers: readonly string[]): ReturnType<typeof send> =>
  send(port, `${method} ${target} HTTP/1.1`, "Host: shop.test", "Connection: close", ...headers);
