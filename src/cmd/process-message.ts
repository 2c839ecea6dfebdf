/** What the supervisor and the processes that it starts say to each other, as JSON over the IPC channel that only they have. */
import type { JsonValue } from "../lib/json.ts";

export type ToProcess =
  /** The first message: `settings` is whatever that process takes. */
  | { readonly kind: "start"; readonly settings: JsonValue }
  /** Finish what has begun, take nothing new, then exit with 0. */
  | { readonly kind: "drain"; readonly withinMs: number }
  /** Sent whenever the state of a process has changed. */
  | { readonly kind: "processes"; readonly processes: readonly ProcessStatus[] };

export type FromProcess =
  | { readonly kind: "ready"; readonly report: ReadyReport }
  /** It cannot start, for a reason that trying again does not change: a port in use, a setting that is wrong. */
  | { readonly kind: "refused"; readonly code: string; readonly message: string; readonly hint?: string };

/** What a process says of itself once it works. */
export interface ReadyReport {
  /** What it does, and where: an address, a directory, a count. */
  readonly on: readonly { readonly what: string; readonly where: string }[];
  /** What it does not do here, why, and how to get it. */
  readonly off: readonly { readonly what: string; readonly why: string; readonly how?: string }[];
  /** Facts for whoever started it, by name. */
  readonly facts: { readonly [name: string]: string };
}

export interface ProcessStatus {
  readonly name: string;
  readonly state: "starting" | "ready" | "waiting" | "draining" | "ended";
  /** 0 when none runs. */
  readonly pid: number;
  /** How often it ended without being asked to since it was last ready for a minute. */
  readonly failures: number;
  /** Milliseconds since the epoch of the last change of `state`. */
  readonly sinceMs: number;
}
