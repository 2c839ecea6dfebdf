/** What one client, and all of them together, may use of a server. */
export interface ServerLimits {
  /** Of one message of a request. */
  readonly maxMessageBytes: number;
  /** Of the headers of a request, counted as RFC 9113 §6.5.2 does. */
  readonly maxHeaderListBytes: number;
  /** On one connection. More are refused, and a client that was told may send them again. */
  readonly maxConcurrentCalls: number;
  readonly maxConnections: number;
  /** Of all requests that are being received or answered. */
  readonly maxHeldBytes: number;
  /** From the connection to the client's first settings, TLS included. */
  readonly handshakeTimeoutMs: number;
  /** For the rest of a message that has begun, for the message of a unary call, and for reading what was sent. */
  readonly stallTimeoutMs: number;
  /** A connection without calls says goodbye after this. */
  readonly idleTimeoutMs: number;
  /** How long calls under way may take once the server drains. */
  readonly drainMs: number;
}

export const DEFAULT_SERVER_LIMITS: ServerLimits = {
  maxMessageBytes: 4 * 1024 * 1024,
  maxHeaderListBytes: 16 * 1024,
  maxConcurrentCalls: 256,
  maxConnections: 4096,
  maxHeldBytes: 128 * 1024 * 1024,
  handshakeTimeoutMs: 10_000,
  stallTimeoutMs: 30_000,
  idleTimeoutMs: 300_000,
  drainMs: 10_000,
};
