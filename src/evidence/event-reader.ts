/** Reads the store, from any process that may read its files, while the writer goes on writing. */
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";
import type { VigilEvent } from "../event/event.ts";
import { dayOf } from "../event/timestamp.ts";
import { parseUuid, uuidTimeMs } from "../event/uuid-v7.ts";
import { dayFilePath } from "./day-file.ts";
import { eventOf, KIND_NUMBERS, type StoredRow } from "./event-row.ts";
import { storedDays } from "./retention.ts";

export interface EventFilter {
  /** Inclusive, nanoseconds since the epoch. */
  readonly sinceNs?: bigint;
  readonly untilNs?: bigint;
  readonly kind?: VigilEvent["kind"];
  readonly withoutKinds?: readonly VigilEvent["kind"][];
  readonly verdict?: string;
  readonly policy?: string;
  /** Part of the object's text: `shop/` finds what is in that namespace. */
  readonly object?: string;
  readonly subject?: string;
  /** Of a decision, a flow or a finding. */
  readonly rule?: string;
  /** Of the process that acted. */
  readonly execId?: string;
  readonly pid?: number;
  /** At least as severe. */
  readonly severity?: number;
  /** Of a flow: who called, by name (`orders`, `shop/orders`), SPIFFE ID, `world`, `host`, or address. */
  readonly from?: string;
  /** Of a flow: who was called. */
  readonly to?: string;
  /** Of a flow: the port that was called. */
  readonly port?: number;
  /** Of a flow: `kernel` or `process`. */
  readonly layer?: string;
}

/** Kinds of a newer Vigil are left out rather than misread. */
const KNOWN_KINDS = { sql: `e.kind IN (${Object.values(KIND_NUMBERS).join(", ")})` };

const SELECT = `
SELECT lower(hex(e.id)) AS id, e.time_ns AS timeNs, e.kind, e.severity, producer.text AS producer, node.text AS node, boot.text AS boot, e.seq,
  tenant.text AS tenant, subject.text AS subject, verdict.text AS verdict, policy.text AS policy, action.text AS action, e.object,
  message.text AS message, e.latency_us AS latencyUs, detail.text AS detail, e.own
FROM event e
JOIN word producer ON producer.id = e.producer JOIN word node ON node.id = e.node JOIN word boot ON boot.id = e.boot
JOIN word tenant ON tenant.id = e.tenant JOIN word subject ON subject.id = e.subject JOIN word detail ON detail.id = e.detail
LEFT JOIN word verdict ON verdict.id = e.verdict LEFT JOIN word policy ON policy.id = e.policy
LEFT JOIN word action ON action.id = e.action LEFT JOIN word message ON message.id = e.message`;

type Bindable = string | number | bigint | Uint8Array;
interface Condition {
  readonly sql: string;
  readonly value: Bindable;
}

function conditionsOf(filter: EventFilter): readonly Condition[] {
  const { sinceNs, untilNs, kind, withoutKinds = [], verdict, policy, object, subject, rule, execId, pid, severity } = filter;
  const { from, to, port, layer } = filter;
  return [
    ...(sinceNs === undefined ? [] : [{ sql: "e.time_ns >= ?", value: sinceNs }]),
    ...(untilNs === undefined ? [] : [{ sql: "e.time_ns <= ?", value: untilNs }]),
    ...(kind === undefined ? [] : [{ sql: "e.kind = ?", value: KIND_NUMBERS[kind] }]),
    ...withoutKinds.map((without) => ({ sql: "e.kind <> ?", value: KIND_NUMBERS[without] })),
    ...(verdict === undefined ? [] : [{ sql: "verdict.text = ?", value: verdict }]),
    ...(policy === undefined ? [] : [{ sql: "policy.text = ?", value: policy }]),
    ...(subject === undefined ? [] : [{ sql: "subject.text = ?", value: subject }]),
    ...(object === undefined ? [] : [{ sql: "instr(e.object, ?) > 0", value: object }]),
    ...(rule === undefined ? [] : [{ sql: "json_extract(detail.text, '$.rule') = ?", value: rule }]),
    ...(execId === undefined ? [] : [{ sql: "json_extract(e.own, '$.execId') = ?", value: execId }]),
    ...(pid === undefined ? [] : [{ sql: "json_extract(e.own, '$.pid') = ?", value: pid }]),
    ...(severity === undefined ? [] : [{ sql: "e.severity >= ?", value: severity }]),
    ...(from === undefined ? [] : [{ sql: endCondition("src"), value: from }]),
    ...(to === undefined ? [] : [{ sql: endCondition("dst"), value: to }]),
    ...(port === undefined ? [] : [{ sql: "json_extract(detail.text, '$.dstPort') = ?", value: port }]),
    ...(layer === undefined ? [] : [{ sql: "json_extract(detail.text, '$.layer') = ?", value: layer }]),
  ];
}

/** A name without its namespace is found at the end of the whole one. */
const endCondition = (end: "src" | "dst"): string =>
  `EXISTS (SELECT 1 FROM (SELECT ? AS wanted) WHERE wanted IN (
    json_extract(detail.text, '$.${end}Name'), json_extract(detail.text, '$.${end}Id'), json_extract(e.own, '$.${end}Ip'))
  OR substr(json_extract(detail.text, '$.${end}Name'), -length(wanted) - 1) = '/' || wanted)`;

/** The newest `limit` events that pass the filter, oldest first. Empty when there is no store. */
export function readEvents(directory: string, filter: EventFilter, limit: number): readonly VigilEvent[] {
  const found: VigilEvent[] = [];
  const since = filter.sinceNs === undefined ? "" : dayOf(filter.sinceNs);
  const until = filter.untilNs === undefined ? "9999" : dayOf(filter.untilNs);
  const days = storedDays(directory).filter((day) => day >= since && day <= until);
  for (const day of days.reverse()) {
    if (found.length >= limit) break;
    found.push(...queryDay(directory, day, conditionsOf(filter), "ORDER BY e.time_ns DESC, e.position DESC", limit - found.length));
  }
  return found.reverse();
}

/** The event with this id (a UUIDv7, which tells its day), or undefined. */
export function readEvent(directory: string, id: string): VigilEvent | undefined {
  const bytes = parseUuid(id.toLowerCase());
  if (bytes === undefined) return undefined;
  return queryDay(directory, dayOf(BigInt(uuidTimeMs(bytes)) * 1_000_000n), [{ sql: "e.id = ?", value: bytes }], "", 1)[0];
}

const FOLLOW_INTERVAL_MS = 200;

/** Yields events as they are committed, from now on, until the signal aborts. */
export async function* followEvents(directory: string, filter: EventFilter, signal: AbortSignal): AsyncGenerator<VigilEvent, void> {
  const conditions = conditionsOf(filter);
  let day = storedDays(directory).at(-1) ?? "";
  let position = day === "" ? 0 : lastPosition(directory, day);
  while (!signal.aborted) {
    for (const next of storedDays(directory).filter((candidate) => candidate >= day)) {
      if (next !== day) [day, position] = [next, 0];
      const upTo = lastPosition(directory, day);
      const fresh = [...conditions, { sql: "e.position > ?", value: position }, { sql: "e.position <= ?", value: upTo }];
      yield* queryDay(directory, day, fresh, "ORDER BY e.position", -1);
      position = upTo;
    }
    // Ends early when the signal aborts; the loop's condition then ends the stream.
    await setTimeout(FOLLOW_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
  }
}

function withDay<T>(directory: string, day: string, absent: T, query: (database: DatabaseSync) => T): T {
  const path = dayFilePath(directory, day);
  if (!existsSync(path)) return absent;
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    database.exec("PRAGMA busy_timeout = 5000");
    return query(database);
  } finally {
    database.close();
  }
}

function lastPosition(directory: string, day: string): number {
  return withDay(directory, day, 0, (database) => Number(database.prepare("SELECT max(position) AS last FROM event").get()?.["last"] ?? 0));
}

function queryDay(directory: string, day: string, conditions: readonly Condition[], order: string, limit: number): readonly VigilEvent[] {
  return withDay(directory, day, [], (database) => {
    const where = `WHERE ${[KNOWN_KINDS, ...conditions].map(({ sql }) => sql).join(" AND ")}`;
    const statement = database.prepare(`${SELECT} ${where} ${order} LIMIT ${limit}`);
    statement.setReadBigInts(true);
    return statement.all(...conditions.map(({ value }) => value)).map((row) => eventOf(storedRow(row)));
  });
}

/** The casts rest on SELECT's columns and the STRICT table. */
function storedRow(row: Readonly<Record<string, unknown>>): StoredRow {
  const hex = String(row["id"]);
  const id = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
  return { ...row, id, kind: Number(row["kind"]), severity: Number(row["severity"]), seq: Number(row["seq"]) } as unknown as StoredRow;
}
