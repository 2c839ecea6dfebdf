/** What every event has. */

/** OCSF severities: 0 unknown, 1 informational, 2 low, 3 medium, 4 high, 5 critical, 6 fatal. */
export type Severity = 0 | 1 | 2 | 3 | 4 | 5 | 6;

/** Their names, from 0 on. */
export const SEVERITY_NAMES = ["unknown", "informational", "low", "medium", "high", "critical", "fatal"] as const;

export interface EventStamp {
  readonly v: 1;
  /** UUIDv7 (RFC 9562): sorts by time. */
  readonly id: string;
  /** Nanoseconds since the epoch, UTC. RFC 3339 on the wire. */
  readonly timeNs: bigint;
  readonly node: string;
  readonly bootId: string;
  /** `component@version`, e.g. `control@0.1.0`. */
  readonly producer: string;
  /** Per producer and boot, gap-free. */
  readonly seq: number;
  readonly tenant: string;
  readonly severity: Severity;
  /** SPIFFE ID of who acted, a Kubernetes user name, or `unresolved:<cgroup>`. */
  readonly subject: string;
  readonly traceId?: string;
  readonly spanId?: string;
  /** The admission request's uid, or the Kubernetes audit ID. */
  readonly auditId?: string;
}
