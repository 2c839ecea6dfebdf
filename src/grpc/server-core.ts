/** What connections and calls need of their server. */
import type { CallContext } from "./call-context.ts";
import type { Deadlines } from "./deadlines.ts";
import type { ServerLimits } from "./server-limits.ts";
import type { CallCheck, ServerMethod } from "./service.ts";
import type { GrpcStatusName } from "./status.ts";

/** Told about calls; none of them may throw. */
export interface ServerHooks {
  /** Runs before every handler, once the headers are there: it lets the call go on, or throws what ends it. */
  readonly check?: CallCheck;
  /** A call has ended with a status: CANCELLED when the client went away. `durationMs` is since its headers came. */
  readonly onEnd?: (context: CallContext, status: GrpcStatusName, durationMs: number) => void;
  /** A handler or check has thrown what is no GrpcError, so that the caller was told nothing but INTERNAL. */
  readonly onFailure?: (thrown: unknown, context: CallContext) => void;
  /** A connection was refused or broken: by the limit of connections, in its TLS handshake, or by the system (no more file descriptors). */
  readonly onConnectionRefused?: (reason: "limit" | "tls" | "accept") => void;
}

export interface ServerCore {
  readonly limits: ServerLimits;
  readonly hooks: ServerHooks;
  /** By path. */
  readonly methods: ReadonlyMap<string, ServerMethod>;
  readonly draining: AbortSignal;
  readonly deadlines: Deadlines;
  /** Takes note of bytes that are kept; false when that would be too many, and then they are not counted. */
  hold(bytes: number): boolean;
  release(bytes: number): void;
}
