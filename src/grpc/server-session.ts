/** One connection at the server: its calls, and how long it may be silent. */
import { constants, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { GrpcSession } from "./call-context.ts";
import { parseCallTimeout } from "./call-timeout.ts";
import { GrpcError } from "./grpc-error.ts";
import { ServerCall } from "./server-call.ts";
import type { ServerCore } from "./server-core.ts";
import type { ServerMethod } from "./service.ts";
import { encodeStatusMessage, GRPC_STATUS } from "./status.ts";

const NO_ERROR = 0;
const REFUSED_STREAM = 7;

export class ServerSession implements GrpcSession {
  readonly socket: Socket;
  readonly server: ServerCore;
  readonly #http2: ServerHttp2Session;
  readonly #calls = new Set<ServerCall>();
  readonly #closed = new AbortController();
  /** When the last call ended, or the connection began. */
  #silentSinceMs: number = performance.now();
  #hasGreeted = false;
  /** Whether the client has taken note of our settings; from then on Node.js enforces them. */
  #knowsLimits = false;

  /** `onClose` is called once, when the connection is gone. */
  constructor(socket: Socket, http2: ServerHttp2Session, server: ServerCore, onClose: (session: ServerSession) => void) {
    this.socket = socket;
    this.server = server;
    this.#http2 = http2;
    http2.on("stream", (stream, headers) => this.#open(stream, headers));
    http2.once("remoteSettings", () => {
      this.#hasGreeted = true;
    });
    http2.once("localSettings", () => {
      this.#knowsLimits = true;
    });
    // What breaks a connection is a client's doing, and told by its close.
    http2.on("error", () => undefined);
    http2.on("close", () => {
      this.#closed.abort(new GrpcError("UNAVAILABLE", "the connection is gone"));
      onClose(this);
    });
  }

  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  get callCount(): number {
    return this.#calls.size;
  }

  cut(): void {
    this.#http2.destroy();
    this.socket.destroy();
  }

  /** Says goodbye (GOAWAY); calls under way go on. */
  drain(): void {
    if (!this.#http2.closed) this.#http2.close();
  }

  forget(call: ServerCall): void {
    this.#calls.delete(call);
    if (this.#calls.size === 0) this.#silentSinceMs = performance.now();
  }

  /** Ends what is overdue: greetings, messages that stopped half-way, clients that do not read, connections that do nothing. */
  sweep(nowMs: number): void {
    const { handshakeTimeoutMs, stallTimeoutMs, idleTimeoutMs } = this.server.limits;
    if (!this.#hasGreeted && nowMs - this.#silentSinceMs > handshakeTimeoutMs) this.cut();
    else if (this.#calls.size === 0) {
      if (nowMs - this.#silentSinceMs > idleTimeoutMs) this.drain();
      // A client that does not answer the goodbye.
      if (nowMs - this.#silentSinceMs > idleTimeoutMs + handshakeTimeoutMs) this.cut();
    } else for (const call of this.#calls) call.sweep(nowMs, stallTimeoutMs);
  }

  /** UNTRUSTED. */
  #open(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    if (this.#calls.size >= this.server.limits.maxConcurrentCalls) {
      stream.on("error", () => undefined);
      stream.close(REFUSED_STREAM);
      return;
    }
    if (!this.#knowsLimits && headerListBytes(headers) > this.server.limits.maxHeaderListBytes) {
      refuse(stream, new GrpcError("RESOURCE_EXHAUSTED", "the headers are too large"));
      return;
    }
    const method = this.#route(stream, headers);
    if (method === undefined) return;
    const timeout = headers["grpc-timeout"];
    const timeoutMs = timeout === undefined ? undefined : parseCallTimeout(String(timeout));
    if (timeout !== undefined && timeoutMs === undefined) {
      refuse(stream, new GrpcError("INTERNAL", "`grpc-timeout` is no timeout"));
      return;
    }
    const call = new ServerCall(stream, headers, method, this);
    this.#calls.add(call);
    call.start(timeoutMs);
  }

  /** The method; undefined when the request was answered here. */
  #route(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): ServerMethod | undefined {
    const { ":method": verb, ":path": path = "", "content-type": type = "" } = headers;
    if (verb !== "POST") return void refuseHttp(stream, constants.HTTP_STATUS_METHOD_NOT_ALLOWED);
    if (type !== "application/grpc" && type !== "application/grpc+proto" && !/^application\/grpc(?:\+proto)?\s*;/.test(type))
      return void refuseHttp(stream, constants.HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE);
    const method = this.server.methods.get(path);
    if (method === undefined) refuse(stream, new GrpcError("UNIMPLEMENTED", "there is no such method"));
    return method;
  }
}

/** RFC 9113 §6.5.2: names and values, and 32 for each. */
function headerListBytes(headers: IncomingHttpHeaders): number {
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) bytes += name.length + String(value).length + 32;
  return bytes;
}

function refuseHttp(stream: ServerHttp2Stream, status: number): void {
  stream.on("error", () => undefined);
  stream.respond({ ":status": status }, { endStream: true });
  hangUp(stream);
}

function refuse(stream: ServerHttp2Stream, { status, message }: GrpcError): void {
  stream.on("error", () => undefined);
  const headers = { ":status": 200, "content-type": "application/grpc+proto", "grpc-status": String(GRPC_STATUS[status]) };
  stream.respond({ ...headers, "grpc-message": encodeStatusMessage(message) }, { endStream: true });
  hangUp(stream);
}

/** Who was refused and goes on sending is not listened to (RFC 9113 §8.1). No sweep would end such a stream: it is no call. */
function hangUp(stream: ServerHttp2Stream): void {
  stream.resume();
  // The answer goes out in this turn.
  setImmediate(() => stream.close(NO_ERROR));
}
