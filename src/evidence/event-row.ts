/**
 * Between an event and its row: what is filtered has a column, what repeats from event to event is one JSON text in the dictionary
 * (`detail`), what is the event's own is another (`own`).
 */
import type { ActionEvent, DecisionEvent, GapEvent, VigilEvent } from "../event/event.ts";

/** Numbers of the kinds in files. INVARIANT: never renumbered. */
export const KIND_NUMBERS = { decision: 1, action: 2, gap: 3 } as const;

export interface EventRow {
  readonly kind: number;
  readonly verdict?: string;
  readonly policy?: string;
  readonly action?: string;
  readonly object?: string;
  readonly message?: string;
  readonly latencyUs?: number;
  /** JSON of the fields that are alike in many events. */
  readonly detail: string;
  /** JSON of the fields that are this event's own; absent when there are none. */
  readonly own?: string;
}

/** The columns of a row that depend on the kind of event. */
export function rowOf(event: VigilEvent): EventRow {
  const { traceId, spanId, auditId } = event;
  const ids = { ...(traceId && { traceId }), ...(spanId && { spanId }), ...(auditId && { auditId }) };
  const kind = KIND_NUMBERS[event.kind];
  switch (event.kind) {
    case "decision": {
      const { verdict, policy, action, object, message, latencyUs, point, mode, policyDigest, rule, reasonCode, evidence, source } = event;
      const detail = JSON.stringify({ point, mode, policyDigest, rule, reasonCode, source });
      return {
        kind,
        verdict,
        policy,
        action,
        object,
        message,
        latencyUs,
        detail,
        ...own({ ...ids, ...(evidence.length > 0 && { evidence }) }),
      };
    }
    case "action": {
      const { outcome, action, object, message } = event;
      return { kind, verdict: outcome, action, object, message, detail: "{}", ...own(ids) };
    }
    case "gap": {
      const { fromSeq, toSeq, count, reason } = event;
      return { kind, detail: JSON.stringify({ reason }), ...own({ ...ids, fromSeq, toSeq, count }) };
    }
    default:
      return event satisfies never;
  }
}

const own = (fields: object): { own?: string } => (Object.keys(fields).length === 0 ? {} : { own: JSON.stringify(fields) });

/** A row as the reader's query gives it, its words resolved. */
export interface StoredRow {
  readonly id: string;
  readonly timeNs: bigint;
  readonly kind: number;
  readonly severity: number;
  readonly producer: string;
  readonly node: string;
  readonly boot: string;
  readonly seq: number;
  readonly tenant: string;
  readonly subject: string;
  readonly verdict: string | null;
  readonly policy: string | null;
  readonly action: string | null;
  readonly object: string | null;
  readonly message: string | null;
  readonly latencyUs: number | null;
  readonly detail: string;
  readonly own: string | null;
}

/** The event of a row. The casts rest on `rowOf`, the only writer of rows. */
export function eventOf(row: StoredRow): VigilEvent {
  const { id, timeNs, severity, producer, node, boot: bootId, seq, tenant, subject, action, object, message } = row;
  const stamped = {
    v: 1,
    id,
    timeNs,
    severity,
    producer,
    node,
    bootId,
    seq,
    tenant,
    subject,
    ...JSON.parse(row.detail),
    ...(row.own !== null && JSON.parse(row.own)),
  };
  switch (row.kind) {
    case KIND_NUMBERS.decision:
      return {
        evidence: [],
        ...stamped,
        kind: "decision",
        verdict: row.verdict,
        policy: row.policy,
        action,
        object,
        message,
        latencyUs: row.latencyUs,
      } as DecisionEvent;
    case KIND_NUMBERS.action:
      return { ...stamped, kind: "action", outcome: row.verdict, action, object, message } as ActionEvent;
    default:
      return { ...stamped, kind: "gap" } as GapEvent;
  }
}
