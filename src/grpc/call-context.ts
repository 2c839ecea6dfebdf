/** What a handler knows about its call, and may do to it, beside the messages. */
import type { IncomingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";

/**
 * A connection of a client. The object is the same for all calls of the connection, and lives as long: a `WeakMap` with it as key
 * caches what is known about the peer.
 */
export interface GrpcSession {
  /** What was accepted, a `tls.TLSSocket` under TLS, for credentials and certificates. Neither read nor write it. */
  readonly socket: Socket;
  /** Aborts when the connection is gone. */
  readonly closed: AbortSignal;
  /** Says goodbye: calls under way go on, the client makes its next one on another connection. */
  drain(): void;
  /** Cuts the connection at once, with all of its calls. */
  cut(): void;
}

export interface CallContext {
  /** As `/package.Service/Method`. */
  readonly method: string;
  /** The headers of the request. UNTRUSTED. See `textMetadata` and `binaryMetadata`. */
  readonly headers: IncomingHttpHeaders;
  readonly session: GrpcSession;
  /** When the caller stops waiting, by `performance.now()`; undefined when it waits for ever. */
  readonly deadlineMs: number | undefined;
  /** Aborts when nobody waits for the outcome any more: cancelled, past the deadline, or the connection is gone. */
  readonly signal: AbortSignal;
  /** Aborts when the server drains: handlers of long streams end theirs, so that the client asks another server. */
  readonly draining: AbortSignal;
  /** Adds metadata that goes out before the first message. Throws a TypeError on what cannot be sent, or when they went out already. */
  setHeader(name: string, value: string | Uint8Array): void;
  /** Adds metadata that goes out with the status. */
  setTrailer(name: string, value: string | Uint8Array): void;
}
