/**
 * A gRPC server over HTTP/2: on unix sockets, TCP, TLS, or on sockets that somebody else has accepted. Nothing that a client sends ends it
 * or makes it hold more than its limits.
 */
import { once } from "node:events";
import { chmod, lstat, unlink } from "node:fs/promises";
import { performServerHandshake, type SecureServerOptions } from "node:http2";
import { type AddressInfo, connect, createServer, type ListenOptions, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions, type Server as TlsServer } from "node:tls";
import { messageOf, VigilError } from "../lib/error.ts";
import { Deadlines } from "./deadlines.ts";
import type { ServerCore, ServerHooks } from "./server-core.ts";
import { DEFAULT_SERVER_LIMITS, type ServerLimits } from "./server-limits.ts";
import { ServerSession } from "./server-session.ts";
import type { ServerMethod, ServiceImplementation } from "./service.ts";

export type GrpcAddressErrorCode = "GRPC_ADDRESS" | "GRPC_ADDRESS_IN_USE";

export interface GrpcServerOptions extends ServerHooks {
  readonly services: readonly ServiceImplementation[];
  readonly limits?: Partial<ServerLimits>;
}

export type ListenAddress =
  /** A file that is left over from a server that is gone is replaced. `mode`: who may connect, as `0o600`; by the umask when absent. */
  | { readonly kind: "unix"; readonly path: string; readonly mode?: number }
  /** Port 0 takes a free one. Without `tls` it is plain text. */
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly tls?: TlsOptions };

/** How often overdue connections and calls are looked for, at most. */
const MAX_SWEEP_MS = 1000;
const MIN_SWEEP_MS = 10;
/** Pairs of one request's headers. */
const MAX_HEADER_PAIRS = 64;
/** RST_STREAM frames: that many at once, then that many each second (CVE-2023-44487). */
const RESET_BURST = 1000;
const RESETS_PER_SECOND = 33;

export class GrpcServer {
  readonly services: readonly ServiceImplementation[];
  readonly #core: ServerCore;
  readonly #sessions = new Set<ServerSession>();
  readonly #listeners = new Set<Server>();
  readonly #draining = new AbortController();
  readonly #handshake: SecureServerOptions;
  #heldBytes = 0;
  #sweeper: NodeJS.Timeout | undefined;

  /** Throws a RangeError when two services have the same name. */
  constructor({ services, limits, ...hooks }: GrpcServerOptions) {
    this.services = services;
    const core: ServerCore = {
      limits: { ...DEFAULT_SERVER_LIMITS, ...limits },
      hooks,
      methods: methodsOf(services),
      draining: this.#draining.signal,
      deadlines: new Deadlines(),
      hold: (bytes) => {
        if (this.#heldBytes + bytes > core.limits.maxHeldBytes) return false;
        this.#heldBytes += bytes;
        return true;
      },
      release: (bytes) => {
        this.#heldBytes -= bytes;
      },
    };
    this.#core = core;
    this.#handshake = {
      settings: {
        maxConcurrentStreams: core.limits.maxConcurrentCalls,
        maxHeaderListSize: core.limits.maxHeaderListBytes,
        enablePush: false,
      },
      maxHeaderListPairs: MAX_HEADER_PAIRS,
      streamResetBurst: RESET_BURST,
      streamResetRate: RESETS_PER_SECOND,
    };
  }

  get connectionCount(): number {
    return this.#sessions.size;
  }

  get callCount(): number {
    return [...this.#sessions].reduce((sum, session) => sum + session.callCount, 0);
  }

  /** Of requests that are being received or answered. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Listens, beside where it listens already, and resolves with the bound address. `listener` is a server that accepts there instead of one
   * that is made by the address, such as one that verifies its peers.
   * Rejects with GRPC_ADDRESS_IN_USE or GRPC_ADDRESS.
   */
  async listen(address: ListenAddress, listener?: Server | TlsServer): Promise<ListenAddress> {
    const tls = address.kind === "tcp" ? address.tls : undefined;
    const server =
      listener ??
      (tls === undefined
        ? createServer()
        : createTlsServer({
            handshakeTimeout: this.#core.limits.handshakeTimeoutMs,
            minVersion: "TLSv1.2",
            ...tls,
            ALPNProtocols: ["h2"],
          }));
    this.attach(server);
    if (address.kind === "unix") {
      await removeStaleSocket(address.path);
      await listen(server, { path: address.path }, address.path);
      if (address.mode !== undefined) await chmod(address.path, address.mode);
      return address;
    }
    await listen(server, { host: address.host, port: address.port }, `${address.host}:${address.port}`);
    const { address: host, port } = server.address() as AddressInfo;
    return { ...address, host, port };
  }

  /** Serves the connections of a server that is, or will be, listening; closing this server closes that one. A TLS server's ALPN names `h2`. */
  attach(server: Server | TlsServer): void {
    this.#listeners.add(server);
    server.once("close", () => this.#listeners.delete(server));
    server.maxConnections = this.#core.limits.maxConnections;
    server.on("drop", () => this.#core.hooks.onConnectionRefused?.("limit"));
    // Such as no more file descriptors: the connections that there are go on.
    server.on("error", () => server.listening && this.#core.hooks.onConnectionRefused?.("accept"));
    server.on("tlsClientError", () => this.#core.hooks.onConnectionRefused?.("tls"));
    server.on(isTls(server) ? "secureConnection" : "connection", (socket: Socket) => this.accept(socket));
  }

  /** Serves a connection. A TLS socket has finished its handshake. UNTRUSTED. */
  accept(socket: Socket): void {
    socket.on("error", () => undefined);
    const isRefused = this.#sessions.size >= this.#core.limits.maxConnections;
    if (isRefused) this.#core.hooks.onConnectionRefused?.("limit");
    if (isRefused || this.#draining.signal.aborted || isOtherProtocol(socket)) {
      socket.destroy();
      return;
    }
    const http2 = performServerHandshake(socket, this.#handshake);
    this.#sessions.add(new ServerSession(socket, http2, this.#core, (session) => this.#forget(session)));
    this.#sweeper ??= setInterval(() => this.#sweep(), sweepMs(this.#core.limits)).unref();
  }

  /**
   * Stops accepting, says goodbye to clients, waits for calls under way for the drain time, and cuts what is left.
   * Resolves with the number of calls that were cut.
   */
  async close(drainMs: number = this.#core.limits.drainMs): Promise<number> {
    const closed = [...this.#listeners].map((listener) => new Promise((resolve) => listener.close(resolve)));
    this.#draining.abort();
    for (const session of this.#sessions) session.drain();
    let cut = 0;
    const deadline = setTimeout(() => {
      cut = this.callCount;
      for (const session of this.#sessions) session.cut();
    }, drainMs);
    await Promise.all([...closed, ...[...this.#sessions].map((session) => gone(session.closed))]);
    clearTimeout(deadline);
    return cut;
  }

  #forget(session: ServerSession): void {
    this.#sessions.delete(session);
    if (this.#sessions.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  #sweep(): void {
    const nowMs = performance.now();
    for (const session of this.#sessions) session.sweep(nowMs);
  }
}

function methodsOf(services: readonly ServiceImplementation[]): ReadonlyMap<string, ServerMethod> {
  const names = new Set<string>();
  for (const { service } of services) {
    if (names.has(service.typeName)) throw new RangeError(`two services \`${service.typeName}\``);
    names.add(service.typeName);
  }
  return new Map(services.flatMap(({ methods }) => methods.map((method) => [method.path, method] as const)));
}

const gone = (closed: AbortSignal): Promise<unknown> => (closed.aborted ? Promise.resolve() : once(closed, "abort"));

const isTls = (server: Server): server is TlsServer => "setSecureContext" in server;

/** A TLS client that did not choose HTTP/2. One that chose nothing is taken at its word: old gRPC clients do not negotiate. */
const isOtherProtocol = (socket: Socket): boolean =>
  "alpnProtocol" in socket && typeof socket.alpnProtocol === "string" && socket.alpnProtocol !== "h2";

const sweepMs = ({ handshakeTimeoutMs, stallTimeoutMs, idleTimeoutMs }: ServerLimits): number =>
  Math.max(MIN_SWEEP_MS, Math.min(MAX_SWEEP_MS, handshakeTimeoutMs / 2, stallTimeoutMs / 2, idleTimeoutMs / 2));

async function listen(server: Server, options: ListenOptions, shown: string): Promise<void> {
  try {
    server.listen(options);
    await once(server, "listening");
  } catch (thrown) {
    if (isErrno(thrown, "EADDRINUSE")) throw inUse(shown, thrown);
    throw new VigilError<GrpcAddressErrorCode>("GRPC_ADDRESS", `cannot listen on \`${shown}\`: ${messageOf(thrown)}`, {
      hint: "name an address of this machine, or a path in a directory that exists and may be written",
      cause: thrown,
    });
  }
}

const isErrno = (thrown: unknown, code: string): boolean => thrown instanceof Error && "code" in thrown && thrown.code === code;

const inUse = (shown: string, cause?: unknown): VigilError<GrpcAddressErrorCode> =>
  new VigilError<GrpcAddressErrorCode>("GRPC_ADDRESS_IN_USE", `\`${shown}\` is in use`, {
    hint: "another process serves there, or the path is no socket; choose another address",
    cause,
  });

/** Removes the socket of a server that is gone. Rejects with GRPC_ADDRESS_IN_USE when it is no socket, or one that somebody serves. */
async function removeStaleSocket(path: string): Promise<void> {
  const status = await lstat(path).catch((thrown: unknown) => {
    if (isErrno(thrown, "ENOENT")) return undefined;
    throw new VigilError<GrpcAddressErrorCode>("GRPC_ADDRESS", `cannot listen on \`${path}\`: ${messageOf(thrown)}`, { cause: thrown });
  });
  if (status === undefined) return;
  if (!status.isSocket()) throw inUse(path);
  const probe = connect({ path });
  try {
    await once(probe, "connect");
  } catch (thrown) {
    if (!isErrno(thrown, "ECONNREFUSED")) throw inUse(path, thrown);
    await unlink(path);
    return;
  } finally {
    probe.destroy();
  }
  throw inUse(path);
}
