/**
 * Between an event and its row: what is filtered has a column, what repeats from event to event is one JSON text in the dictionary
 * (`detail`), what is the event's own is another (`own`).
 */
import type { ActionEvent, DecisionEvent, GapEvent, VigilEvent } from "../event/event.ts";
import type { ActingProcess, FileEvent, FindingEvent, FlowEvent, NetworkEvent, ProcessEvent } from "../event/runtime-event.ts";

/** Numbers of the kinds in files. INVARIANT: never renumbered. */
export const KIND_NUMBERS = { decision: 1, action: 2, gap: 3, process: 4, file: 5, network: 6, flow: 7, finding: 8 } as const;

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
    case "process": {
      const { action, object, startTime, args, cwd, uid, euid, capsEffective, imageDigest, result } = event;
      const detail = JSON.stringify({ ...alike(event), cwd, uid, euid, capsEffective, imageDigest });
      return { kind, action, object, detail, ...own({ ...ids, ...single(event), startTime, args, result }) };
    }
    case "file": {
      const { action, object, from, flags, result } = event;
      const detail = JSON.stringify({ ...alike(event), flags, result });
      return { kind, action, object, detail, ...own({ ...ids, ...single(event), from }) };
    }
    case "network": {
      const { action, object, proto, srcIp, srcPort, dstIp, dstPort, communityId, result } = event;
      const detail = JSON.stringify({ ...alike(event), proto, result });
      return { kind, action, object, detail, ...own({ ...ids, ...single(event), srcIp, srcPort, dstIp, dstPort, communityId }) };
    }
    case "flow":
      return flowRow(event, kind, ids);
    case "finding":
      return findingRow(event, kind, ids);
    default:
      return event satisfies never;
  }
}

/** The columns of an acting process: what many of its events have alike, and what only this one has. */
const alike = ({ binary, cgroupId, containerId }: ActingProcess): object => ({ binary, cgroupId, containerId });
const single = ({ execId, parentExecId, pid }: ActingProcess): object => ({ execId, parentExecId, pid });

function flowRow(event: FlowEvent, kind: number, ids: object): EventRow {
  const { verdict, policy, layer, direction, proto, srcId, dstId, srcName, dstName, rule, source, reason, isEncrypted, dstPort } = event;
  const { request, latencyUs, count } = event;
  const { srcIp, srcPort, dstIp, startTime, endTime, bytesSent, bytesReceived, packetsSent, packetsReceived, communityId, execId } = event;
  const times = { startTime, endTime, count, latencyUs };
  const mine = { srcIp, srcPort, dstIp, request, ...times, bytesSent, bytesReceived, packetsSent, packetsReceived, communityId, execId };
  return {
    kind,
    verdict,
    policy,
    object: `${srcId} → ${dstId}:${dstPort}`,
    detail: JSON.stringify({ layer, direction, proto, srcId, dstId, srcName, dstName, dstPort, rule, source, reason, isEncrypted }),
    ...own({ ...ids, ...mine }),
  };
}

function findingRow(event: FindingEvent, kind: number, ids: object): EventRow {
  const { policy, action, object, message, rule, techniques, tags, confidence, status } = event;
  const { findingId, evidence, firstSeen, lastSeen, count, ancestry, fields } = event;
  const detail = JSON.stringify({ ...alike(event), rule, techniques, tags, confidence, status });
  const mine = { ...ids, ...single(event), findingId, evidence, firstSeen, lastSeen, count, ancestry, fields };
  return { kind, policy, action, object, message, detail, ...own(mine) };
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
    case KIND_NUMBERS.process:
      return { ...stamped, kind: "process", action, object } as ProcessEvent;
    case KIND_NUMBERS.file:
      return { ...stamped, kind: "file", action, object } as FileEvent;
    case KIND_NUMBERS.network:
      return { ...stamped, kind: "network", action, object } as NetworkEvent;
    case KIND_NUMBERS.flow:
      return { ...stamped, kind: "flow", verdict: row.verdict, policy: row.policy } as FlowEvent;
    case KIND_NUMBERS.finding:
      return { ...stamped, kind: "finding", policy: row.policy, action, object, message } as FindingEvent;
    default:
      return { ...stamped, kind: "gap" } as GapEvent;
  }
}
