/** Puts a service identity in front of any server that is a `tls.Server`: of `https`, `http2`, Fastify, or plain. */
import type { Http2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Server, TLSSocket } from "node:tls";
import type { X509Svid } from "../spiffe/x509-svid.ts";
import { connectionOf, markConnection } from "./connection.ts";
import { compilePeerRule, type PeerRule } from "./peer-rule.ts";
import { ServiceError } from "./service-error.ts";
import { HANDSHAKE_TIMEOUT_MS, type ServiceIdentity } from "./service-identity.ts";

export interface AllowOptions {
  /** Who may connect to a server, or to whom a client connects. Nobody else. */
  readonly allow: PeerRule;
}

/** What a server must be created with; certificate and key come from the guard. */
export interface GuardedTlsOptions {
  readonly requestCert: true;
  readonly rejectUnauthorized: false;
  readonly handshakeTimeout: number;
}

export const GUARDED_TLS_OPTIONS: GuardedTlsOptions = {
  requestCert: true,
  // The validator of Vigil decides, as soon as the handshake ends.
  rejectUnauthorized: false,
  handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
};

type Emit = (event: string | symbol, ...args: unknown[]) => boolean;

/**
 * Guards a server that was created with `GUARDED_TLS_OPTIONS`. The guard stands where events are emitted, not among the listeners: no
 * listener, whenever it is added, sees a connection that is not verified.
 */
export function guardServer<S extends Server>(server: S, identity: ServiceIdentity, { allow }: AllowOptions): S {
  const isAllowed = compilePeerRule(allow);
  const emit: Emit = server.emit.bind(server);
  let presented: X509Svid | undefined;
  const prepare = (socket: Socket): boolean => {
    const svid = identity.svid();
    if (!svid.ok) {
      socket.destroy();
      identity.reportRefusal(svid.error);
      return false;
    }
    if (svid.value !== presented) server.setSecureContext(identity.serverContext(svid.value));
    presented = svid.value;
    return true;
  };
  // A renewal during the handshake makes this the later of two SVIDs: such a connection may end later than its own would have it.
  const admit = (socket: TLSSocket): boolean => presented !== undefined && identity.admit(socket, presented, isAllowed) !== undefined;
  const guarded: Emit = (event, ...args) => {
    const [subject, response] = args;
    // The types are those of what Node emits with these events.
    switch (event) {
      case "connection":
        return prepare(subject as Socket) && emit(event, ...args);
      case "secureConnection":
        return admit(subject as TLSSocket) && emit(event, ...args);
      case "session":
        goAwayOnDrain(subject as Http2Session);
        return emit(event, ...args);
      case "stream":
        return isCurrent(subject as object, identity, (subject as { readonly session?: { readonly socket: object } }).session?.socket)
          ? emit(event, ...args)
          : false;
      case "request":
      case "checkContinue":
      case "checkExpectation":
      case "upgrade":
      case "connect":
        return isCurrent(subject as object, identity, (subject as { readonly socket: object }).socket, response) && emit(event, ...args);
      default:
        return emit(event, ...args);
    }
  };
  Object.defineProperty(server, "emit", { value: guarded, configurable: true, writable: true });
  server.on("tlsClientError", (error) =>
    identity.reportRefusal(new ServiceError("SERVICE_HANDSHAKE", `a handshake failed: ${error.message}`, { cause: error })),
  );
  return server;
}

/** GOAWAY: the client opens its next stream on another connection, the streams that there are finish. */
const goAwayOnDrain = (session: Http2Session): void => connectionOf(session.socket)?.onDrain(() => session.close());

/** Whether a request may begin: the proof of its peer still holds. A connection that drains answers it as its last one. */
function isCurrent(subject: object, identity: ServiceIdentity, socket: object | undefined, response?: unknown): boolean {
  const connection = socket === undefined ? undefined : connectionOf(socket);
  if (connection === undefined) return false;
  if (identity.nowMs > connection.endsAtMs) {
    connection.cut();
    return false;
  }
  markConnection(subject, connection);
  // HTTP/1.1 says `connection: close`; responses of HTTP/2 have no such property.
  if (connection.isDraining && response instanceof Object && "shouldKeepAlive" in response) response.shouldKeepAlive = false;
  return true;
}
