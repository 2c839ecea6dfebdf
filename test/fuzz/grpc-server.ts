/**
 * Fuzzes a gRPC server over its socket: requests with wrong prefixes, compressed flags, pieces of any size, ends that come early, streams
 * that are reset, headers of any kind, and octets that are no HTTP/2. Each is answered or refused, and the server goes on.
 */
import type { EventEmitter } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { GrpcServer } from "../../src/grpc/server.ts";
import { ToyRequestSchema } from "../grpc/generated/test/toy_pb.ts";
import { toyService } from "../grpc/toy-service.ts";
import { mutatedBytes, mutatedText, type UpTo } from "./mutation.ts";
import type { FuzzTarget } from "./target.ts";

/** Of one call or connection: everything is on this machine, and the server's own patience is shorter. */
const MAX_WAIT_MS = 20_000;
const STALL_MS = 200;
const METHODS = ["Echo", "Count", "Join", "Converse", "Nothing"];
const MESSAGE = toBinary(ToyRequestSchema, create(ToyRequestSchema, { text: "hello", count: 3, payload: new Uint8Array(20) }));
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");

interface Served {
  readonly path: string;
  readonly server: GrpcServer;
}

let served: Promise<Served> | undefined;
let session: ClientHttp2Session | undefined;

async function serve(): Promise<Served> {
  const directory = mkdtempSync(join(tmpdir(), "vigil-fuzz-"));
  const path = join(directory, "s");
  const limits = { stallTimeoutMs: STALL_MS, handshakeTimeoutMs: STALL_MS, idleTimeoutMs: 2 * STALL_MS, maxMessageBytes: 4096 };
  const server = new GrpcServer({ services: [toyService()], limits });
  await server.listen({ kind: "unix", path });
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  return { path, server };
}

function sessionTo(path: string): ClientHttp2Session {
  if (session === undefined || session.closed || session.destroyed) {
    session = connectHttp2("http://localhost", { createConnection: () => connect({ path }) });
    session.on("error", () => {});
  }
  return session;
}

function frame(upTo: UpTo): Buffer {
  const message = upTo(3) === 0 ? mutatedBytes(MESSAGE, upTo) : MESSAGE;
  const prefix = Buffer.alloc(5);
  prefix[0] = upTo(8) === 0 ? upTo(3) : 0;
  prefix.writeUInt32BE(upTo(8) === 0 ? ([0, message.length + 1, message.length - 1, 5000, 2 ** 32 - 1][upTo(5)] ?? 0) : message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Rejects when it takes too long. */
function isClosed(emitter: EventEmitter, input: () => string): Promise<void> {
  return new Promise((resolve, reject) => {
    const tooLate = setTimeout(() => reject(new Error(`it is still open: ${input()}`)), MAX_WAIT_MS);
    emitter.once("close", () => {
      clearTimeout(tooLate);
      resolve();
    });
  });
}

/** Resolves with how the call ended. */
async function call(path: string, upTo: UpTo): Promise<string> {
  const method = METHODS[upTo(METHODS.length)] ?? "Echo";
  const headers: { [name: string]: string } = {
    ":method": upTo(30) === 0 ? "GET" : "POST",
    ":path": upTo(30) === 0 ? `/${mutatedText("vigil.test.Toy/Echo", upTo).replaceAll(/[^!-~]/g, "x")}` : `/vigil.test.Toy/${method}`,
    "content-type": upTo(30) === 0 ? "text/plain" : "application/grpc",
    te: "trailers",
  };
  if (upTo(4) === 0) headers["grpc-timeout"] = ["1S", "1n", "5m", "0S", "x", "99999999H", "999999999S"][upTo(7)] ?? "1S";
  if (upTo(8) === 0) headers["grpc-encoding"] = "gzip";
  const body = Buffer.concat(Array.from({ length: upTo(4) }, () => frame(upTo)));
  const ending = upTo(12);
  const stream = sessionTo(path).request(headers);
  let status = "";
  let http = "";
  stream.on("response", (fields) => {
    http = String(fields[":status"]);
    status = String(fields["grpc-status"] ?? status);
  });
  stream.on("trailers", (fields) => {
    status = String(fields["grpc-status"] ?? status);
  });
  stream.on("error", () => {});
  stream.resume();
  const closed = isClosed(stream, () => `${JSON.stringify(headers)} ${body.toString("hex")} ended by ${ending}`);
  for (let at = 0; at < body.length && stream.writable; ) {
    const size = upTo(3) === 0 ? 1 + upTo(20) : body.length;
    stream.write(body.subarray(at, at + size));
    at += size;
  }
  // With NO_ERROR the client would wait for what it has written, which nobody reads after a refusal.
  if (ending === 0) stream.close(1 + upTo(13));
  else if (ending === 1) stream.destroy();
  // Some never end what they have to send: then the server's patience ends. Streams of messages may stay open for ever.
  else if (ending > 2 || method === "Join" || method === "Converse") stream.end();
  await closed;
  return `call: ${http === "" ? "reset" : http === "200" ? `status ${status}` : `HTTP ${http}`}`;
}

/** Octets that may be no HTTP/2. Resolves when the server has closed the connection, or answers nothing more. */
async function rawConnection(path: string, upTo: UpTo): Promise<string> {
  const socket = connect({ path });
  socket.on("error", () => {});
  let received = 0;
  socket.on("data", (chunk) => {
    received += chunk.length;
  });
  const closed = isClosed(socket, () => sent.toString("hex"));
  const random = Buffer.from(Array.from({ length: upTo(60) }, () => upTo(256)));
  const sent = Buffer.concat([upTo(2) === 0 ? PREFACE : mutatedBytes(PREFACE, upTo), random]);
  socket.write(sent);
  if (upTo(4) > 0) socket.end();
  await closed;
  return `connection: closed ${received === 0 ? "without an answer" : "after an answer"}`;
}

export const grpcServerFuzz: FuzzTarget = {
  name: "grpc server",
  async run(random) {
    const upTo: UpTo = (limit) => Math.floor(random() * limit);
    served ??= serve();
    const { path, server } = await served;
    const verdict = upTo(20) === 0 ? await rawConnection(path, upTo) : await call(path, upTo);
    // What was held for a call that has ended is released by the turn after it.
    await new Promise((resolve) => setImmediate(resolve));
    if (server.callCount === 0 && server.heldBytes !== 0) throw new Error(`${server.heldBytes} bytes are held for nobody; ${verdict}`);
    return verdict;
  },
};
