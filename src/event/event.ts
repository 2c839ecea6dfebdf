/**
 * The one event model (`vigil/1`): flat records for decisions, flows, processes, findings, actions and gaps.
 * Everything that Vigil observed or did is one of these; OCSF is an export vocabulary, not the model.
 */

/** OCSF severities: 0 unknown, 1 informational, 2 low, 3 medium, 4 high, 5 critical, 6 fatal. */
export type Severity = 0 | 1 | 2 | 3 | 4 | 5 | 6;

interface EventBase {
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

/** A policy decision at an enforcement point. One event per verdict that matters (deny, warn, audit, error) and one per allowed review. */
export interface DecisionEvent extends EventBase {
  readonly kind: "decision";
  readonly point: "admission" | "ext_authz" | "connect" | "seccomp" | "identity" | "kms" | "supply";
  readonly verdict: "allow" | "deny" | "warn" | "audit" | "error";
  readonly mode: "enforce" | "dry-run";
  readonly policy: string;
  /** Content hash of the snapshot that decided. */
  readonly policyDigest: string;
  readonly rule: string;
  readonly reasonCode: string;
  /** `create`, `update`, `delete`, `connect`. */
  readonly action: string;
  /** `Pod shop/debug`. */
  readonly object: string;
  readonly message: string;
  readonly latencyUs: number;
  /** The values that decided: sub-expression → value as JSON text. */
  readonly evidence: readonly { readonly expression: string; readonly value: string }[];
  /** `file:line:column` of the rule. */
  readonly source: string;
}

/** Something that an operator or Vigil itself did: break-glass opened, a snapshot activated, a certificate rotated. */
export interface ActionEvent extends EventBase {
  readonly kind: "action";
  readonly action: string;
  readonly object: string;
  readonly outcome: "done" | "refused" | "failed";
  readonly message: string;
}

/** A counted loss: events `fromSeq`..`toSeq` of a producer are not in the store, and why. */
export interface GapEvent extends EventBase {
  readonly kind: "gap";
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly count: number;
  readonly reason: "queue_full" | "store_failed" | "decode_error";
}

export type VigilEvent = DecisionEvent | ActionEvent | GapEvent;
