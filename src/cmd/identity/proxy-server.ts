/** The proxies of `vigil identity proxy`: mutual TLS outside, a plain service or a plain client inside. */
import { once } from "node:events";
import { type AddressInfo, connect as connectTcp, createServer, isIP, type Server, type Socket } from "node:net";
import { messageOf, VigilError } from "../../lib/error.ts";
import { compilePeerRule, createHttp2Server, createTlsServer, type PeerRule, peerOf, type ServiceIdentity } from "../../service/index.ts";
import { formatAddress, type ListenAddress } from "../listen-address.ts";
import type { Log } from "../log.ts";
import { HttpForwarder, refuse } from "./http-proxy.ts";
import { joinSockets } from "./tcp-proxy.ts";

export type ProxyErrorCode = "PROXY_ADDRESS" | "PROXY_EXPOSED";

export interface ProxyOptions {
  readonly identity: ServiceIdentity;
  readonly listen: ListenAddress;
  readonly to: ListenAddress;
  readonly allow: PeerRule;
  readonly maxConnections: number;
  readonly idleMs: number;
  /** How long connections may live on after `signal` aborts. */
  readonly drainMs: number;
  readonly log: Log;
}

export interface RunningProxy {
  readonly address: ListenAddress;
  /** Resolves when the last connection is gone. */
  readonly stopped: Promise<void>;
}

const CONNECT_TIMEOUT_MS = 10_000;
const HTTP_LIMITS = { headersTimeout: 10_000, requestTimeout: 300_000, maxHeaderSize: 16 * 1024 } as const;
const MAX_STREAMS = 256;

/** Mutual TLS outside, plain bytes to the service inside. */
export function startTcpProxy(options: ProxyOptions, signal: AbortSignal): Promise<RunningProxy> {
  const { identity, allow, to, idleMs, log } = options;
  const server = createTlsServer(identity, { allow, allowHalfOpen: true }, (outer) => {
    const inner = connectTcp({ ...to, allowHalfOpen: true, timeout: CONNECT_TIMEOUT_MS });
    const onTimeout = (): void => {
      inner.destroy(new Error(`no connection within ${CONNECT_TIMEOUT_MS} ms`));
    };
    const onError = (error: Error): void => {
      log("error", `cannot reach the service: ${messageOf(error)}`, { to: formatAddress(to) });
      outer.destroy();
    };
    // Told by its end.
    outer.on("error", () => inner.destroy());
    outer.once("close", () => inner.destroySoon());
    inner.once("timeout", onTimeout);
    inner.once("error", onError);
    inner.once("connect", () => {
      inner.removeListener("timeout", onTimeout);
      inner.removeListener("error", onError);
      joinSockets(outer, inner, idleMs);
    });
  });
  return run(server, options, signal);
}

/** HTTP/1.1 and HTTP/2 with mutual TLS outside, plain HTTP/1.1 with the headers of the peer inside. */
export async function startHttpProxy(options: ProxyOptions, signal: AbortSignal): Promise<RunningProxy> {
  const { identity, allow, to, idleMs, log } = options;
  const forwarder = new HttpForwarder({ ...to, timeoutMs: idleMs }, (error) =>
    log("error", `the service failed: ${messageOf(error)}`, { to: formatAddress(to) }),
  );
  const http2 = { settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: HTTP_LIMITS.maxHeaderSize, enablePush: false } };
  const server = createHttp2Server(identity, { allow, server: http2 }, (request, response) => {
    const self = identity.svid();
    if (!self.ok) refuse(response, 503);
    else forwarder.forward(request, response, { peer: peerOf(request), self: self.value.id });
  });
  // Of the server of HTTP/1.1 inside it; its types do not say so.
  Object.assign(server, HTTP_LIMITS);
  server.setTimeout(idleMs);
  server.on("session", (session) => session.setTimeout(idleMs, () => session.close()));
  // What clients do wrong ends their connection and nothing else.
  server.on("sessionError", () => {});
  server.on("clientError", (_, socket) => socket.destroy());
  const running = await run(server, options, signal);
  void running.stopped.then(() => forwarder.close());
  return running;
}

/** Plain bytes inside, mutual TLS to a service outside. Whoever can connect acts as this workload: so only this machine can. */
export function startClientProxy(options: ProxyOptions, signal: AbortSignal): Promise<RunningProxy> {
  const { identity, listen, allow, to, idleMs, log } = options;
  if (!isLoopback(listen.host))
    throw new VigilError<ProxyErrorCode>("PROXY_EXPOSED", `\`${listen.host}\` is not an address of this machine alone`, {
      hint: "whoever connects to it acts with the identity of this workload: listen on 127.0.0.1 or ::1",
    });
  const isAllowed = compilePeerRule(allow);
  const server = createServer({ allowHalfOpen: true }, (inner) => {
    inner.on("error", () => {});
    inner.pause();
    void identity.connect({ ...to, allowHalfOpen: true }, isAllowed).then(
      ({ socket }) => {
        if (inner.destroyed) socket.destroy();
        else joinSockets(inner, socket, idleMs);
      },
      (error: unknown) => {
        log("error", messageOf(error), { to: formatAddress(to) });
        inner.destroy();
      },
    );
  });
  return run(server, options, signal);
}

const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));

async function run(server: Server, { listen, maxConnections, drainMs, log }: ProxyOptions, signal: AbortSignal): Promise<RunningProxy> {
  const sockets = new Set<Socket>();
  server.maxConnections = maxConnections;
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("drop", () => log("warning", `more than ${maxConnections} connections: one was refused`));
  try {
    server.listen(listen.port, listen.host);
    await once(server, "listening");
  } catch (thrown) {
    throw new VigilError<ProxyErrorCode>("PROXY_ADDRESS", `cannot listen on \`${formatAddress(listen)}\`: ${messageOf(thrown)}`, {
      hint: "name an address of this machine that is free; ports below 1024 need privileges",
      cause: thrown,
    });
  }
  server.on("error", (error) => log("error", `cannot accept a connection: ${messageOf(error)}`));
  const { address, port } = server.address() as AddressInfo;
  const stopped = (async () => {
    if (!signal.aborted) await once(signal, "abort");
    const closed = once(server, "close");
    server.close();
    const deadline = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, drainMs);
    await closed;
    clearTimeout(deadline);
  })();
  return { address: { host: address, port }, stopped };
}
