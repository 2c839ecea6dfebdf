/**
 * The HTTPS server of the webhook: HTTP/1.1, which is what API servers speak to webhooks, and HTTP/2. It ends when its signal does,
 * after the answers that are under way; nothing that a client sends ends it.
 */
import { once } from "node:events";
import { createSecureServer, type Http2SecureServer } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { createSecureContext, type SecureContext, type TlsOptions } from "node:tls";
import { messageOf, VigilError } from "../lib/error.ts";
import { AdmissionGate, type GateLimits } from "./admission-gate.ts";
import type { AdmissionMetrics, AdmissionReadings } from "./admission-metrics.ts";
import type { CertificateSource, ServingCertificate } from "./certificate-source.ts";
import { createHandler } from "./http-handler.ts";
import type { BodyLimits } from "./request-body.ts";
import type { AnswerReview } from "./webhook.ts";

export type ServerErrorCode = "ADMISSION_ADDRESS_IN_USE" | "ADMISSION_ADDRESS";

export interface ServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly certificate: CertificateSource;
  /**
   * Another certificate for clients that ask for `serverName` (SNI). API servers trust a bundle that stands in their configuration for
   * years; who trusts the authority of a trust domain, which changes every few weeks, asks for it by name.
   */
  readonly named?: NamedCertificate;
  readonly answer: AnswerReview;
  readonly metrics: AdmissionMetrics;
  readonly readings: Omit<AdmissionReadings, "connections" | "inFlight" | "inFlightBytes" | "certificateExpiresAtMs">;
  /** Why the webhook should get no traffic yet, beside draining. */
  readonly unreadyReasons: () => readonly string[];
  readonly limits?: Partial<ServerLimits>;
}

export interface NamedCertificate {
  readonly serverName: string;
  /** Undefined while there is none: the other certificate is presented then. */
  current(): ServingCertificate | undefined;
}

export interface ServerLimits extends BodyLimits, GateLimits {
  /** How long answers under way may take once the server drains. */
  readonly drainMs: number;
  readonly maxConnections: number;
}

/** The API server sends at most 3 MiB of object (its own limit), old and new object make it twice that. */
export const DEFAULT_SERVER_LIMITS: ServerLimits = {
  maxBytes: 6 * 1024 * 1024,
  timeoutMs: 10_000,
  maxInFlight: 1024,
  maxInFlightBytes: 128 * 1024 * 1024,
  drainMs: 10_000,
  maxConnections: 4096,
};

const HANDSHAKE_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 120_000;
const MAX_HEADER_BYTES = 16 * 1024;

/** Of `http.Server`, which a secure HTTP/2 server becomes for clients of HTTP/1.1; its types do not say so. */
const HTTP1_LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  // Longer than API servers keep an idle connection (90 s), so that they end it and no request meets a closing one.
  keepAliveTimeout: IDLE_TIMEOUT_MS,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: MAX_HEADER_BYTES,
} as const;

export interface WebhookServer {
  readonly address: { readonly host: string; readonly port: number };
  /** Resolves when the last connection is gone, with how many had to be cut at the end of the drain time. */
  readonly stopped: Promise<number>;
}

/** Starts serving. Rejects with `ADMISSION_ADDRESS_IN_USE` or `ADMISSION_ADDRESS`. Serves until `signal` aborts, then drains. */
export async function startWebhookServer(options: ServerOptions, signal: AbortSignal): Promise<WebhookServer> {
  const limits = { ...DEFAULT_SERVER_LIMITS, ...options.limits };
  const { certificate, answer, metrics } = options;
  const gate = new AdmissionGate(limits);
  let isDraining = signal.aborted;
  const server = createServer(options, limits);
  const sockets = trackSockets(server);
  const handler = createHandler({
    answer,
    gate,
    bodyLimits: limits,
    metrics,
    unreadyReasons: () => [
      ...(isDraining ? ["draining"] : []),
      ...(certificate.current().expiresAtMs <= Date.now() ? ["the certificate has expired"] : []),
      ...options.unreadyReasons(),
    ],
    exposeMetrics: () => metrics.expose(readingsOf(options, gate, sockets)),
    isDraining: () => isDraining,
  });
  server.on("request", handler);
  const address = await listen(server, options);
  const endRotation = certificate.onChange((renewed) => server.setSecureContext(tlsOptions(renewed)));
  const stopped = (async () => {
    if (!signal.aborted) await once(signal, "abort");
    isDraining = true;
    endRotation();
    return drain(server, sockets, limits.drainMs);
  })();
  return { address, stopped };
}

const tlsOptions = ({ keyPem, chainPem }: ServingCertificate) => ({ key: keyPem, cert: chainPem, minVersion: "TLSv1.2" }) as const;

/** Presents the named certificate to who asks for its name; a context is made once for each certificate. */
function presentByName(named: NamedCertificate): TlsOptions["SNICallback"] {
  let made: { readonly certificate: ServingCertificate; readonly context: SecureContext } | undefined;
  return (serverName, done) => {
    const certificate = serverName === named.serverName ? named.current() : undefined;
    if (certificate === undefined) return done(null);
    if (made?.certificate !== certificate) made = { certificate, context: createSecureContext(tlsOptions(certificate)) };
    done(null, made.context);
  };
}

function createServer({ certificate, named, metrics }: ServerOptions, limits: ServerLimits): Http2SecureServer {
  const server = createSecureServer({
    ...tlsOptions(certificate.current()),
    ...(named === undefined ? {} : { SNICallback: presentByName(named) }),
    allowHTTP1: true,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    settings: { maxConcurrentStreams: limits.maxInFlight, maxHeaderListSize: MAX_HEADER_BYTES, enablePush: false },
  });
  Object.assign(server, HTTP1_LIMITS);
  server.maxConnections = limits.maxConnections;
  server.on("session", (session) => {
    session.setTimeout(IDLE_TIMEOUT_MS);
    session.on("timeout", () => session.destroy());
    // After a goodbye that breaks the protocol Node reads no more: that the connection closed would never be noticed.
    session.on("goaway", () => session.setTimeout(limits.timeoutMs));
  });
  // Without listeners some of these would end the process; what they tell about is a client's doing.
  // Many clients end a connection that they are done with by a reset.
  server.on("sessionError", (error: NodeJS.ErrnoException) => error.code !== "ECONNRESET" && metrics.connectionErrors.increment("http2"));
  server.on("tlsClientError", () => metrics.connectionErrors.increment("tls"));
  server.on("clientError", (error: Error, socket: Socket) => {
    metrics.connectionErrors.increment("http1");
    const status = ("code" in error && REFUSED_STATUS.get(String(error.code))) || "400 Bad Request";
    // After an error the parser reads no more: a socket that is only ended would never see the other side close.
    if (socket.writable) socket.write(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    socket.destroySoon();
  });
  server.on("drop", () => metrics.connectionErrors.increment("limit"));
  return server;
}

/** What the HTTP/1.1 parser refuses for another reason than nonsense. */
const REFUSED_STATUS: ReadonlyMap<string, string> = new Map([
  ["HPE_HEADER_OVERFLOW", "431 Request Header Fields Too Large"],
  ["ERR_HTTP_REQUEST_TIMEOUT", "408 Request Timeout"],
]);

async function listen(server: Http2SecureServer, { host, port, metrics }: ServerOptions): Promise<WebhookServer["address"]> {
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (thrown) {
    const isInUse = thrown instanceof Error && "code" in thrown && thrown.code === "EADDRINUSE";
    if (!isInUse)
      throw new VigilError<ServerErrorCode>("ADMISSION_ADDRESS", `cannot listen on \`${host}:${port}\`: ${messageOf(thrown)}`, {
        hint: "name an address of this machine; ports below 1024 need privileges",
        cause: thrown,
      });
    throw new VigilError<ServerErrorCode>("ADMISSION_ADDRESS_IN_USE", `\`${host}:${port}\` is in use`, {
      hint: "another vigil may be running; choose another port",
      cause: thrown,
    });
  }
  // Such as no more file descriptors: the connections that there are go on.
  server.on("error", () => metrics.connectionErrors.increment("accept"));
  const bound = server.address() as AddressInfo;
  return { host: bound.address, port: bound.port };
}

function trackSockets(server: Http2SecureServer): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  return sockets;
}

/** Stops accepting, says goodbye (`connection: close`, GOAWAY), waits for answers under way, and cuts what is left after `drainMs`. */
async function drain(server: Http2SecureServer, sockets: ReadonlySet<Socket>, drainMs: number): Promise<number> {
  const closed = once(server, "close");
  server.close();
  let cut = 0;
  const deadline = setTimeout(() => {
    cut = sockets.size;
    for (const socket of sockets) socket.destroy();
  }, drainMs);
  await closed;
  clearTimeout(deadline);
  return cut;
}

function readingsOf({ readings, certificate }: ServerOptions, gate: AdmissionGate, sockets: ReadonlySet<Socket>): AdmissionReadings {
  return {
    ...readings,
    connections: () => sockets.size,
    inFlight: () => gate.inFlight,
    inFlightBytes: () => gate.inFlightBytes,
    certificateExpiresAtMs: () => certificate.current().expiresAtMs,
  };
}
