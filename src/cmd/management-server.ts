/**
 * The local management API: JSON over HTTP on a unix socket. Who can open the socket is the owner of the state directory (mode
 * 0700, the socket 0600): the file system is the authorisation, since Node does not tell the credentials of a peer.
 */
import { once } from "node:events";
import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { messageOf, VigilError } from "../lib/error.ts";
import type { JsonValue } from "../lib/json.ts";
import { parseStrictJson } from "../lib/strict-json.ts";
import { managementAddress } from "./management-socket.ts";

export type ManagementErrorCode = "MANAGEMENT_UNREACHABLE" | "MANAGEMENT_ROUTE" | "MANAGEMENT_BODY" | "MANAGEMENT_FAILED";

/** By method and path: `GET /v1/status`. What is returned is the body of the answer; a `VigilError` is answered with 400. */
export type Routes = { readonly [route: string]: (body: JsonValue) => unknown };

const MAX_BODY_BYTES = 64 * 1024;

/** Serves until it is closed. The socket of an earlier run is replaced: whoever holds the state directory's lock may do so. */
export async function serveManagement(stateDirectory: string, routes: Routes, socketName?: string): Promise<Server> {
  const server = createServer((request, response) => {
    void answer(request, routes)
      .catch((error) => failure(error))
      .then(({ status, body }) => send(response, status, body));
  });
  const { path, release } = managementAddress(stateDirectory, socketName);
  rmSync(path, { force: true });
  server.listen(path);
  await once(server, "listening");
  chmodSync(path, 0o600);
  release();
  return server;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

async function answer(request: IncomingMessage, routes: Routes): Promise<Answer> {
  const route = `${request.method} ${request.url}`;
  const handle = Object.hasOwn(routes, route) ? routes[route] : undefined;
  if (handle === undefined) {
    const hint = `there are ${Object.keys(routes).join(", ")}`;
    return { status: 404, body: { code: "MANAGEMENT_ROUTE", message: `no such route: \`${route.slice(0, 100)}\``, hint } };
  }
  const bytes = await readBody(request);
  const body = bytes.length === 0 ? null : parseStrictJson(bytes);
  if (body?.ok === false) throw body.error;
  return { status: 200, body: await handle(body === null ? null : body.value) };
}

async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) {
      throw new VigilError<ManagementErrorCode>("MANAGEMENT_BODY", `expected a body of at most ${MAX_BODY_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function failure(error: unknown): Answer {
  if (!(error instanceof VigilError)) return { status: 500, body: { code: "MANAGEMENT_FAILED", message: messageOf(error) } };
  const { code, message, hint } = error;
  return { status: 400, body: { code, message, hint } };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body ?? {}, (_key, value) => (typeof value === "bigint" ? String(value) : value));
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text), connection: "close" });
  response.end(text);
}
