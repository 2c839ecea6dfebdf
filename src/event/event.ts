/**
 * The one event model (`vigil/1`): flat records for decisions, flows, processes, findings, actions and gaps.
 * Everything that Vigil observed or did is one of these; OCSF is an export vocabulary, not the model.
 */

import type { EventStamp } from "./event-stamp.ts";
import type { FileEvent, FindingEvent, FlowEvent, NetworkEvent, ProcessEvent } from "./runtime-event.ts";

/** A policy decision at an enforcement point. One event per verdict that matters (deny, warn, audit, error) and one per allowed review. */
export interface DecisionEvent extends EventStamp {
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
export interface ActionEvent extends EventStamp {
  readonly kind: "action";
  readonly action: string;
  readonly object: string;
  readonly outcome: "done" | "refused" | "failed";
  readonly message: string;
}

/** Why events are not in the store. `rate_limited`: more came than are stored; `repeated`: the same as one that is stored. */
export type GapReason = "queue_full" | "store_failed" | "decode_error" | "ring_full" | "rate_limited" | "repeated";

/** A counted loss: events `fromSeq`..`toSeq` of a producer are not in the store, and why. */
export interface GapEvent extends EventStamp {
  readonly kind: "gap";
  /** What was lost before it was numbered (`ring_full`, `rate_limited`, `repeated`) has the number of the event before it, in both. */
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly count: number;
  readonly reason: GapReason;
}

export type VigilEvent = DecisionEvent | ActionEvent | GapEvent | ProcessEvent | FileEvent | NetworkEvent | FlowEvent | FindingEvent;
