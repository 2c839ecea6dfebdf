/** The connection of a client: made when it is needed, kept, and forgotten as soon as it takes no more calls. */
import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions as TlsOptions } from "node:tls";
import { messageOf } from "../lib/error.ts";
import { GrpcError } from "./grpc-error.ts";

export type ChannelAddress =
  | { readonly kind: "unix"; readonly path: string }
  /** Without `tls` it is plain text. */
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly tls?: TlsOptions }
  /** A connected socket of the caller's making, TLS finished and the server verified. `authority`: the name of the server. */
  | {
      readonly kind: "socket";
      readonly authority: string;
      readonly isTls: boolean;
      readonly connect: (signal: AbortSignal) => Promise<Socket>;
    };

export interface ConnectionOptions {
  readonly address: ChannelAddress;
  /** TLS included; 10 s unless told otherwise. */
  readonly connectTimeoutMs?: number;
  /** Pings an open connection, and gives it up when no answer comes in time. */
  readonly keepalive?: { readonly intervalMs: number; readonly timeoutMs: number };
}

const CONNECT_TIMEOUT_MS = 10_000;
const MAX_HEADER_LIST_BYTES = 16 * 1024;

interface Patience {
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal | undefined;
}

export class ClientConnection {
  /** What every request begins with. */
  readonly requestHeaders: readonly string[];
  readonly #options: ConnectionOptions;
  readonly #open = new Set<ClientHttp2Session>();
  readonly #closing = new AbortController();
  #session: ClientHttp2Session | undefined;
  #connecting: Promise<ClientHttp2Session> | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { authority, isTls } = nameOf(options.address);
    const scheme = isTls ? "https" : "http";
    const fixed = {
      ":method": "POST",
      ":scheme": scheme,
      ":authority": authority,
      te: "trailers",
      "content-type": "application/grpc+proto",
    };
    this.requestHeaders = Object.entries(fixed).flat();
  }

  /** Takes calls; undefined while there is none. */
  get live(): ClientHttp2Session | undefined {
    const session = this.#session;
    return session === undefined || session.closed || session.destroyed ? undefined : session;
  }

  /** The connection; many that wait for it share one attempt. Rejects with a GrpcError. */
  async connect({ timeoutMs, signal }: Patience): Promise<ClientHttp2Session> {
    const { live } = this;
    if (live !== undefined) return live;
    if (this.#closing.signal.aborted) throw new GrpcError("UNAVAILABLE", "the client is closed");
    this.#connecting ??= this.#attempt().finally(() => {
      this.#connecting = undefined;
    });
    if (timeoutMs === undefined && signal === undefined) return this.#connecting;
    return impatient(this.#connecting, { timeoutMs, signal });
  }

  async close(isCut: boolean): Promise<void> {
    this.#closing.abort(new GrpcError("UNAVAILABLE", "the client is closed"));
    this.#session = undefined;
    await this.#connecting?.catch(() => undefined);
    await Promise.all(
      [...this.#open].map(async (session) => {
        // `once` would reject when the server resets the connection.
        const closed = new Promise((resolve) => session.once("close", resolve));
        if (isCut) session.destroy();
        else session.close();
        await closed;
      }),
    );
  }

  async #attempt(): Promise<ClientHttp2Session> {
    const { address, connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.#options;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(connectTimeoutMs)]);
    let socket: Socket;
    try {
      socket = await openSocket(address, signal);
    } catch (thrown) {
      if (thrown instanceof GrpcError) throw thrown;
      if (this.#closing.signal.aborted) throw this.#closing.signal.reason;
      const why = signal.aborted ? `no answer for ${connectTimeoutMs} ms` : messageOf(thrown);
      throw new GrpcError("UNAVAILABLE", `cannot connect to \`${shownAddress(address)}\`: ${why}`, { cause: thrown });
    }
    return this.#speak(socket);
  }

  #speak(socket: Socket): ClientHttp2Session {
    const { authority } = nameOf(this.#options.address);
    const settings = { enablePush: false, maxHeaderListSize: MAX_HEADER_LIST_BYTES };
    const session = connectHttp2(`http://${authority}`, { createConnection: () => socket, settings });
    const retire = (): void => {
      if (this.#session === session) this.#session = undefined;
    };
    // Calls are told by their own streams.
    session.on("error", retire);
    session.on("goaway", retire);
    session.on("close", () => {
      retire();
      this.#open.delete(session);
    });
    this.#open.add(session);
    this.#session = session;
    if (this.#options.keepalive !== undefined) keepAlive(session, this.#options.keepalive);
    return session;
  }
}

/** The name of the server for `:authority`. */
function nameOf(address: ChannelAddress): { readonly authority: string; readonly isTls: boolean } {
  switch (address.kind) {
    case "unix":
      return { authority: "localhost", isTls: false };
    case "tcp": {
      const host = address.host.includes(":") ? `[${address.host}]` : address.host;
      return { authority: `${host}:${address.port}`, isTls: address.tls !== undefined };
    }
    case "socket":
      return address;
    default:
      return address satisfies never;
  }
}

const shownAddress = (address: ChannelAddress): string => (address.kind === "unix" ? address.path : nameOf(address).authority);

async function openSocket(address: ChannelAddress, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  if (address.kind === "socket") return address.connect(signal);
  const tls = address.kind === "tcp" ? address.tls : undefined;
  const place = address.kind === "unix" ? { path: address.path } : { host: address.host, port: address.port };
  const socket = tls === undefined ? connect(place) : connectTls({ ...tls, ...place, ALPNProtocols: ["h2"] });
  try {
    await once(socket, tls === undefined ? "connect" : "secureConnect", { signal });
  } catch (thrown) {
    socket.on("error", () => undefined);
    socket.destroy();
    throw thrown;
  }
  return socket;
}

/** Waits no longer than the call may, while others go on waiting. */
async function impatient<T>(promise: Promise<T>, { timeoutMs, signal }: Patience): Promise<T> {
  const { promise: given, reject } = Promise.withResolvers<never>();
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => reject(new GrpcError("DEADLINE_EXCEEDED", "the deadline of the call has passed")), timeoutMs);
  const cancel = (): void => reject(new GrpcError("CANCELLED", "the call was cancelled", { cause: signal?.reason }));
  signal?.addEventListener("abort", cancel);
  if (signal?.aborted) cancel();
  try {
    return await Promise.race([promise, given]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", cancel);
  }
}

function keepAlive(
  session: ClientHttp2Session,
  { intervalMs, timeoutMs }: { readonly intervalMs: number; readonly timeoutMs: number },
): void {
  let late: NodeJS.Timeout | undefined;
  const timer = setInterval(() => {
    if (session.destroyed || late !== undefined) return;
    late = setTimeout(() => session.destroy(new Error("the server does not answer")), timeoutMs);
    session.ping(() => {
      clearTimeout(late);
      late = undefined;
    });
  }, intervalMs);
  session.once("close", () => {
    clearInterval(timer);
    clearTimeout(late);
  });
}
