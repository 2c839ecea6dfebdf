/** The gate in front of servers and frameworks that speak HTTP: `node:http`, `node:https`, `node:http2`, Express, Fastify. */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { Server } from "node:net";
import type { Duplex } from "node:stream";
import { connectionOf } from "../connection.ts";
import type { AccessGate, AdmittedCall, InboundCall } from "./access-gate.ts";
import { authorizationOf, keepContext, resumeRequest } from "./authorization-context.ts";
import type { Refusal } from "./refusal.ts";
import { isStripped } from "./request-facts.ts";
import { socketAddress } from "./socket-address.ts";

type AnyRequest = IncomingMessage | Http2ServerRequest;
type AnyResponse = ServerResponse | Http2ServerResponse;

interface SocketFacts {
  readonly remoteAddress?: string | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}

/** The facts of the connection of a carrier: a request, or a stream. */
function connectionFacts(carrier: object, socket: SocketFacts | undefined): Omit<InboundCall, "raw"> {
  const connection = connectionOf(carrier) ?? (socket && connectionOf(socket));
  return {
    peer: connection?.peer,
    sourceAddress: socketAddress(socket?.remoteAddress),
    destinationAddress: socketAddress(socket?.localAddress),
    port: socket?.localPort ?? 0,
  };
}

const inboundOf = (request: AnyRequest, target: string, params?: InboundCall["raw"]["params"]): InboundCall => ({
  raw: { method: request.method ?? "", target, rawHeaders: request.rawHeaders, params },
  ...connectionFacts(request, request.socket),
});

function admit(request: AnyRequest, { context }: AdmittedCall): void {
  keepContext(request, context);
  pin(request);
}

/** What was judged is what is served: no later part makes another method or another caller of it. */
function pin(request: AnyRequest): void {
  Object.defineProperty(request, "method", { value: request.method, writable: false });
  strip(request.headers, request.rawHeaders);
}

function strip(headers: IncomingHttpHeaders, rawHeaders: string[]): void {
  for (const name of Object.keys(headers)) if (isStripped(name)) delete headers[name];
  for (let index = rawHeaders.length - 2; index >= 0; index -= 2)
    if (isStripped((rawHeaders[index] ?? "").toLowerCase())) rawHeaders.splice(index, 2);
}

const TEXTS: { readonly [S in Refusal["status"]]: string } = { 400: "bad request\n", 401: "unauthorized\n", 403: "forbidden\n" };

/** Without the reason, which would help who tries. */
function headersOf(status: Refusal["status"]): Record<string, string> {
  const headers = { "content-type": "text/plain", "content-length": String(TEXTS[status].length), "cache-control": "no-store" };
  return status === 401 ? { ...headers, "www-authenticate": "Bearer" } : headers;
}

function refuse(response: AnyResponse, status: Refusal["status"]): void {
  // Somebody before the gate has answered: nothing follows.
  if (response.headersSent) return;
  // Both have it, with types that differ.
  const { writeHead } = response as ServerResponse;
  writeHead.call(response, status, headersOf(status));
  (response as ServerResponse).end(TEXTS[status]);
}

/** Judges, then either answers or goes on. */
async function pass(gate: AccessGate, inbound: InboundCall, request: AnyRequest, response: AnyResponse): Promise<boolean> {
  const judgement = await gate.judge(inbound);
  if (judgement.ok) admit(request, judgement.value);
  else refuse(response, judgement.error);
  return judgement.ok;
}

/** What a listener of `node:http` or `node:http2` becomes behind the gate. See `protectServer` for all listeners of a server. */
export function guardListener(gate: AccessGate, listener: RequestListener): RequestListener {
  return (request, response) => {
    void pass(gate, inboundOf(request, request.url ?? ""), request, response).then((isAllowed) => {
      if (isAllowed) resumeRequest(request, () => listener(request, response));
    });
  };
}

type Emit = (event: string | symbol, ...args: unknown[]) => boolean;

/**
 * Puts the gate in front of everything that a server of `node:http`, `https` or `http2` hears of requests: upgrades, streams and
 * expectations too, by listeners that are there or come later. Each request is judged once.
 */
export function protectServer<S extends Server>(server: S, gate: AccessGate): S {
  const emit: Emit = server.emit.bind(server);
  const judged = new WeakSet<object>();
  const after = (isAllowed: Promise<boolean>, event: string, args: readonly unknown[]): boolean => {
    void isAllowed.then((isOpen) => {
      const [subject] = args;
      if (isOpen) resumeRequest(subject as object, () => emit(event, ...args));
    });
    return true;
  };
  // The types are those of what Node emits with these events.
  const guarded: Emit = (event, ...args) => {
    switch (event) {
      case "request":
      case "checkContinue":
      case "checkExpectation": {
        const [request, response] = args as [AnyRequest, AnyResponse];
        const stream = "stream" in request ? request.stream : undefined;
        if (judged.has(request)) return emit(event, ...args);
        if (stream !== undefined && judged.has(stream)) {
          const context = authorizationOf(stream);
          if (context !== undefined) keepContext(request, context);
          pin(request);
          return emit(event, ...args);
        }
        judged.add(request);
        return after(pass(gate, inboundOf(request, request.url ?? ""), request, response), event, args);
      }
      case "upgrade": {
        const [request, socket] = args as [IncomingMessage, Duplex];
        return after(passUpgrade(gate, request, socket), event, args);
      }
      case "connect":
        refuseSocket((args as [unknown, Duplex])[1], 403);
        return true;
      case "stream": {
        const [stream, headers, , rawHeaders] = args as [ServerHttp2Stream, IncomingHttpHeaders, number, string[]];
        judged.add(stream);
        return after(passStream(gate, stream, headers, rawHeaders), event, args);
      }
      default:
        return emit(event, ...args);
    }
  };
  Object.defineProperty(server, "emit", { value: guarded, configurable: true, writable: true });
  return server;
}

async function passUpgrade(gate: AccessGate, request: IncomingMessage, socket: Duplex): Promise<boolean> {
  // Until its listener has it, nobody else would hear that it broke.
  const ignore = (): void => {};
  socket.on("error", ignore);
  const judgement = await gate.judge(inboundOf(request, request.url ?? ""));
  if (judgement.ok) {
    socket.off("error", ignore);
    admit(request, judgement.value);
  } else refuseSocket(socket, judgement.error);
  return judgement.ok;
}

function refuseSocket(socket: Duplex, status: Refusal["status"]): void {
  const head = Object.entries({ ...headersOf(status), connection: "close" }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${TEXTS[status].trim()}\r\n${head.join("")}\r\n${TEXTS[status]}`);
}

async function passStream(
  gate: AccessGate,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: string[],
): Promise<boolean> {
  const ignore = (): void => {};
  stream.on("error", ignore);
  const raw = { method: String(headers[":method"] ?? ""), target: String(headers[":path"] ?? ""), rawHeaders };
  // The session is gone when its client went.
  const judgement = await gate.judge({ raw, ...connectionFacts(stream, stream.session?.socket) });
  stream.off("error", ignore);
  if (stream.destroyed) return false;
  if (judgement.ok) {
    strip(headers, rawHeaders);
    keepContext(stream, judgement.value.context);
  } else {
    stream.respond({ ":status": judgement.error, ...headersOf(judgement.error) });
    stream.end(TEXTS[judgement.error]);
  }
  return judgement.ok;
}

/** The part of an Express request that is needed; also of Connect and Polka. */
export type ExpressRequest = IncomingMessage & { readonly originalUrl?: string; readonly baseUrl?: string };
export type ExpressMiddleware = (request: ExpressRequest, response: ServerResponse, next: (error?: unknown) => void) => void;

/**
 * Middleware of Express's form: `app.use(expressAccess(gate))`, before anything that answers. The gate needs `routes`: Express routes
 * `/ADMIN` as `/admin`, and what its own routes take from a path is not known yet. Throws a TypeError without them.
 */
export function expressAccess(gate: AccessGate): ExpressMiddleware {
  if (gate.routes === undefined) throw new TypeError("expected a gate with `routes`");
  return (request, response, next) => {
    void pass(gate, inboundOf(request, targetOf(request)), request, response).then((isAllowed) => {
      if (isAllowed) resumeRequest(request, next);
    });
  };
}

/** Below a mount point `url` lacks its path; a `url` that was rewritten otherwise is what will be routed. */
function targetOf({ url = "", baseUrl = "", originalUrl = url }: ExpressRequest): string {
  if (baseUrl === "") return url;
  const isRoot = url === "/" || url.startsWith("/?");
  const isMounted = originalUrl === baseUrl + url || (isRoot && originalUrl === baseUrl + url.slice(1));
  return isMounted ? originalUrl : `${baseUrl}${url}`;
}

/** The part of Fastify that is needed. */
interface FastifyLike {
  addHook(
    name: "onRequest" | "preValidation",
    hook: (request: FastifyRequestLike, reply: FastifyReplyLike, done: () => void) => void,
  ): unknown;
}
interface FastifyRequestLike {
  readonly raw: AnyRequest;
  readonly params: unknown;
}
interface FastifyReplyLike {
  readonly raw: AnyResponse;
  hijack(): unknown;
}

/**
 * A plugin for `app.register(fastifyAccess(gate))`, before the routes: all of them, those of other plugins and unmatched paths included,
 * are behind the gate. `request.params` of policies is what Fastify's own route took from the path, unless the gate has `routes`.
 */
export function fastifyAccess(gate: AccessGate): (app: FastifyLike) => Promise<void> {
  const plugin = async (app: FastifyLike): Promise<void> => {
    app.addHook("onRequest", (request, reply, done) => {
      const inbound = inboundOf(request.raw, request.raw.url ?? "", paramsOf(request.params));
      void pass(gate, inbound, request.raw, reply.raw).then((isAllowed) => {
        if (isAllowed) resumeRequest(request.raw, done);
        else reply.hijack();
      });
    });
    // The body has been read by then, which loses the context.
    app.addHook("preValidation", (request, _, done) => resumeRequest(request.raw, done));
  };
  // As fastify-plugin does: hooks count for the whole application, not for the plugin alone.
  return Object.assign(plugin, { [Symbol.for("skip-override")]: true });
}

function paramsOf(params: unknown): { readonly [name: string]: string } {
  if (typeof params !== "object" || params === null) return {};
  return Object.fromEntries(Object.entries(params).filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}
