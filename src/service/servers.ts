/** Servers with mutual TLS in one call, over the libraries of Node.js and of frameworks that take a server. */
import type { RequestListener } from "node:http";
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type SecureServerOptions,
} from "node:http2";
import { createServer as createHttps, type Server as HttpsServer, type ServerOptions } from "node:https";
import { createServer as createTls, type TLSSocket, type TlsOptions, type Server as TlsServer } from "node:tls";
import { connectionOf } from "./connection.ts";
import type { Peer } from "./peer.ts";
import { type AllowOptions, GUARDED_TLS_OPTIONS, guardServer } from "./server-guard.ts";
import type { ServiceIdentity } from "./service-identity.ts";

/** Options of the library that are not about certificates. */
type WithoutCertificates<O> = Omit<O, keyof TlsOptions | "allowHTTP1">;

export interface HttpsServerOptions extends AllowOptions {
  readonly server?: WithoutCertificates<ServerOptions>;
}

export interface Http2ServerOptions extends AllowOptions {
  readonly server?: WithoutCertificates<SecureServerOptions>;
}

/** An `https.Server` whose requests come from allowed peers alone: `peerOf(request)`. */
export function createHttpsServer(identity: ServiceIdentity, options: HttpsServerOptions, listener?: RequestListener): HttpsServer {
  return guardServer(createHttps({ ...options.server, ...GUARDED_TLS_OPTIONS, ALPNProtocols: ["http/1.1"] }, listener), identity, options);
}

export type Http2RequestListener = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

/** A secure HTTP/2 server that also serves clients of HTTP/1.1. */
export function createHttp2Server(
  identity: ServiceIdentity,
  options: Http2ServerOptions,
  listener?: Http2RequestListener,
): Http2SecureServer {
  return guardServer(createSecureServer({ ...options.server, ...GUARDED_TLS_OPTIONS, allowHTTP1: true }, listener), identity, options);
}

export interface TlsServerOptions extends AllowOptions {
  /** Protocols above TLS, the most wanted first; a client that has none of them is refused. */
  readonly alpnProtocols?: readonly string[];
  /** A client that ends its half may still read; both halves are ended by hand then. */
  readonly allowHalfOpen?: boolean;
}

/** A plain `tls.Server`. Its `secureConnection` listeners get verified sockets: `peerOf(socket)`. */
export function createTlsServer(
  identity: ServiceIdentity,
  { alpnProtocols, allowHalfOpen = false, allow }: TlsServerOptions,
  listener?: (socket: TLSSocket) => void,
): TlsServer {
  const alpn = alpnProtocols === undefined ? {} : { ALPNProtocols: [...alpnProtocols] };
  return guardServer(createTls({ ...GUARDED_TLS_OPTIONS, ...alpn, allowHalfOpen }, listener), identity, { allow });
}

/** For `Fastify({ serverFactory })`, HTTP/1.1. */
export const fastifyServerFactory =
  (identity: ServiceIdentity, options: HttpsServerOptions): ((handler: RequestListener) => HttpsServer) =>
  (handler) =>
    createHttpsServer(identity, options, handler);

/** For `Fastify({ http2: true, serverFactory })`, HTTP/2 and HTTP/1.1. */
export const fastifyHttp2ServerFactory =
  (identity: ServiceIdentity, options: Http2ServerOptions): ((handler: Http2RequestListener) => Http2SecureServer) =>
  (handler) =>
    createHttp2Server(identity, options, handler);

/** What has a peer: a socket, a request of `http`, `http2` or Fastify, a stream of `http2`. */
export type PeerCarrier =
  | TLSSocket
  | { readonly socket: object }
  | { readonly raw: object }
  | { readonly session?: { readonly socket: object } | undefined };

/**
 * The verified peer of a request or a connection. Throws a TypeError when it did not come through a server or client of this module: there
 * is no request without a peer.
 */
export function peerOf(carrier: PeerCarrier): Peer {
  const inner = "raw" in carrier ? carrier.raw : carrier;
  const connection = connectionOf(inner) ?? connectionOf(socketOf(inner));
  if (connection === undefined) throw new TypeError("the connection was not verified by a service identity");
  return connection.peer;
}

/** Of a request, or of a stream. */
function socketOf(carrier: object): object {
  const { socket, session }: { readonly socket?: object; readonly session?: { readonly socket?: object } } = carrier;
  return socket ?? session?.socket ?? {};
}
