/**
 * Messages of DNS (RFC 1035, EDNS of RFC 6891), as far as a proxy must understand them: questions, and the addresses of an answer. What it does
 * not understand it passes on as it is. UNTRUSTED on both sides: workloads ask, resolvers of anybody answer.
 */
import { err, ok, type Result } from "../../lib/result.ts";
import { NameReader } from "./name-reader.ts";

export const TYPE = { a: 1, cname: 5, aaaa: 28, opt: 41, ixfr: 251, axfr: 252 } as const;
const CLASS_INTERNET = 1;
export const RCODE = { noError: 0, formatError: 1, serverFailure: 2, nameError: 3, notImplemented: 4, refused: 5 } as const;
/** Reasons that a client can show (RFC 8914). */
export const EXTENDED_ERROR = { other: 0, blocked: 15, noReachableAuthority: 22, networkError: 23 } as const;

/** What UDP carries without EDNS (RFC 1035 §2.3.4). */
export const PLAIN_UDP_BYTES = 512;
export const MAX_MESSAGE_BYTES = 65_535;
/** Records of an answer, at most: more are no answer that anybody connects by. */
const MAX_RECORDS = 1_000;
/** Of a query: OPT, TSIG and what else there may be. */
const MAX_ADDITIONAL = 8;
const MAX_CHAIN = 16;

const HEADER_BYTES = 12;
const FLAG = {
  response: 0x8000,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  authentic: 0x20,
  unchecked: 0x10,
};
const OPCODE = 0x7800;
const DNSSEC_OK = 0x8000;

export interface DnsQuestion {
  /** In lower case, without the final period; `.` for the root. Octets other than letters, digits, `-` and `_` as `\DDD`. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** As it was asked: name, type and class. */
  readonly octets: Uint8Array;
}

export interface DnsQuery {
  readonly id: number;
  /** Those that a resolver must know: recursion desired, authentic data, checking disabled. */
  readonly flags: number;
  readonly question: DnsQuestion;
  /** Undefined without EDNS. */
  readonly edns: { readonly payloadBytes: number; readonly isDnssecOk: boolean } | undefined;
}

/** Why a message is none that can be answered as asked; `id` is undefined where there is nobody to answer to. */
export interface DnsFault {
  readonly id: number | undefined;
  readonly rcode: number;
  readonly message: string;
}

const fault = (id: number | undefined, message: string, rcode: number = RCODE.formatError): Result<never, DnsFault> =>
  err({ id, rcode, message });

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The question of a query. */
export function parseQuery(bytes: Uint8Array): Result<DnsQuery, DnsFault> {
  if (bytes.length < HEADER_BYTES) return fault(undefined, "shorter than a header");
  const view = viewOf(bytes);
  const id = view.getUint16(0);
  const flags = view.getUint16(2);
  if ((flags & FLAG.response) !== 0) return fault(undefined, "a response instead of a query");
  if ((flags & OPCODE) !== 0) return fault(id, "an operation other than a query", RCODE.notImplemented);
  const [questions, answers, authorities, additional] = [4, 6, 8, 10].map((at) => view.getUint16(at));
  if (questions !== 1 || answers !== 0 || authorities !== 0) return fault(id, "not exactly one question");
  if (additional === undefined || additional > MAX_ADDITIONAL) return fault(id, "too many additional records");
  const reader = new NameReader(bytes);
  const question = readQuestion(reader, bytes);
  if (question === undefined) return fault(id, "a question that cannot be read");
  if (question.type === TYPE.axfr || question.type === TYPE.ixfr) return fault(id, "a transfer of a zone", RCODE.notImplemented);
  let edns: DnsQuery["edns"];
  for (let index = 0; index < additional; index++) {
    const record = readRecord(reader, view);
    if (record === undefined) return fault(id, "an additional record that cannot be read");
    if (record.type !== TYPE.opt) continue;
    if (edns !== undefined || record.name !== ".") return fault(id, "more than one OPT record");
    edns = { payloadBytes: Math.max(PLAIN_UDP_BYTES, record.class), isDnssecOk: (record.ttlS & DNSSEC_OK) !== 0 };
  }
  const kept = FLAG.recursionDesired | FLAG.authentic | FLAG.unchecked;
  return ok({ id, flags: flags & kept, question, edns });
}

function readQuestion(reader: NameReader, bytes: Uint8Array): DnsQuestion | undefined {
  const start = HEADER_BYTES;
  reader.offset = start;
  // Nothing stands before it that a pointer could mean.
  const name = reader.readName({ mayPoint: false });
  const end = reader.offset + 4;
  if (name === undefined || end > bytes.length) return undefined;
  const view = viewOf(bytes);
  reader.offset = end;
  return { name, type: view.getUint16(end - 4), class: view.getUint16(end - 2), octets: bytes.slice(start, end) };
}

interface DnsRecord {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Seconds; of OPT the flags. */
  readonly ttlS: number;
  readonly ttlAt: number;
  readonly dataAt: number;
  readonly dataBytes: number;
}

function readRecord(reader: NameReader, view: DataView): DnsRecord | undefined {
  const name = reader.readName({ mayPoint: true });
  const at = reader.offset;
  if (name === undefined || at + 10 > view.byteLength) return undefined;
  const dataBytes = view.getUint16(at + 8);
  if (at + 10 + dataBytes > view.byteLength) return undefined;
  reader.offset = at + 10 + dataBytes;
  return {
    name,
    type: view.getUint16(at),
    class: view.getUint16(at + 2),
    ttlS: view.getUint32(at + 4),
    ttlAt: at + 4,
    dataAt: at + 10,
    dataBytes,
  };
}

export interface DnsAnswer {
  readonly id: number;
  readonly rcode: number;
  readonly isTruncated: boolean;
  /** Those to which the name of the question leads, over aliases too, each once. */
  readonly addresses: readonly { readonly address: Uint8Array; readonly ttlS: number }[];
  /** Where the times to live of the answer's records are, and how long they are. */
  readonly ttls: readonly { readonly at: number; readonly ttlS: number }[];
}

/** The answer to a question; one to another question is a fault, as is what cannot be read. */
export function parseAnswer(bytes: Uint8Array, question: DnsQuestion): Result<DnsAnswer, DnsFault> {
  if (bytes.length < HEADER_BYTES) return fault(undefined, "shorter than a header");
  const view = viewOf(bytes);
  const id = view.getUint16(0);
  const flags = view.getUint16(2);
  if ((flags & FLAG.response) === 0 || (flags & OPCODE) !== 0) return fault(id, "no response to a query");
  const rcode = flags & 0x0f;
  const isTruncated = (flags & FLAG.truncated) !== 0;
  const empty: DnsAnswer = { id, rcode, isTruncated, addresses: [], ttls: [] };
  // Some that refuse do not repeat the question.
  if (view.getUint16(4) === 0 && rcode !== RCODE.noError) return ok(empty);
  const reader = new NameReader(bytes);
  const asked = view.getUint16(4) === 1 ? readQuestion(reader, bytes) : undefined;
  if (asked === undefined || asked.name !== question.name || asked.type !== question.type || asked.class !== question.class)
    return fault(id, "an answer to another question");
  const count = view.getUint16(6);
  if (count > MAX_RECORDS) return fault(id, `more than ${MAX_RECORDS} records`);
  const records: DnsRecord[] = [];
  for (let index = 0; index < count; index++) {
    const record = readRecord(reader, view);
    if (record !== undefined) records.push(record);
    else if (isTruncated) break;
    else return fault(id, "a record that cannot be read");
  }
  const addresses = addressesOf(question, records, bytes);
  return ok({ ...empty, addresses, ttls: records.map(({ ttlAt, ttlS }) => ({ at: ttlAt, ttlS: timeToLive(ttlS) })) });
}

/** What has the highest bit is zero (RFC 2181 §8). */
const timeToLive = (written: number): number => (written > 0x7fff_ffff ? 0 : written);

/** Follows aliases from the name of the question; an address counts no longer than each alias that leads to it. */
function addressesOf(question: DnsQuestion, records: readonly DnsRecord[], bytes: Uint8Array): DnsAnswer["addresses"] {
  if (question.class !== CLASS_INTERNET) return [];
  const own = records.filter((record) => record.class === CLASS_INTERNET);
  const found = new Map<string, { readonly address: Uint8Array; readonly ttlS: number }>();
  let name = question.name;
  let boundS = Number.POSITIVE_INFINITY;
  for (let step = 0; step < MAX_CHAIN; step++) {
    for (const record of own) {
      const isAddress = (record.type === TYPE.a && record.dataBytes === 4) || (record.type === TYPE.aaaa && record.dataBytes === 16);
      if (!isAddress || record.name !== name) continue;
      const address = bytes.slice(record.dataAt, record.dataAt + record.dataBytes);
      const key = address.join(".");
      if (!found.has(key)) found.set(key, { address, ttlS: Math.min(boundS, timeToLive(record.ttlS)) });
    }
    const alias = own.find((record) => record.type === TYPE.cname && record.name === name);
    if (alias === undefined) break;
    const reader = new NameReader(bytes);
    reader.offset = alias.dataAt;
    const target = reader.readName({ mayPoint: true });
    if (target === undefined || reader.offset !== alias.dataAt + alias.dataBytes) break;
    boundS = Math.min(boundS, timeToLive(alias.ttlS));
    name = target;
  }
  return [...found.values()];
}

/** The query that is sent on: the same question, with options that are only between client and resolver left out. */
export function encodeQuery({ flags, question, edns }: DnsQuery, id: number): Uint8Array {
  const opt = edns === undefined ? EMPTY : optRecord(edns.payloadBytes, edns.isDnssecOk, EMPTY);
  return joined(header(id, flags, [1, 0, 0, edns === undefined ? 0 : 1]), question.octets, opt);
}

/** An answer without records. `text` says why, where the client understands that (RFC 8914); it must hold no secret. */
export function encodeRefusal(
  { id, flags, question, edns }: DnsQuery,
  {
    rcode,
    reason,
    text,
    isTruncated = false,
  }: { readonly rcode: number; readonly reason?: number; readonly text?: string; readonly isTruncated?: boolean },
): Uint8Array {
  const options = reason === undefined ? EMPTY : extendedError(reason, text ?? "");
  const opt = edns === undefined ? EMPTY : optRecord(PLAIN_UDP_BYTES, edns.isDnssecOk, options);
  const kept = flags & (FLAG.recursionDesired | FLAG.unchecked);
  const set = FLAG.response | FLAG.recursionAvailable | kept | rcode | (isTruncated ? FLAG.truncated : 0);
  return joined(header(id, set, [1, 0, 0, edns === undefined ? 0 : 1]), question.octets, opt);
}

/** Answers a message whose question cannot be read. */
export const encodeFault = (id: number, rcode: number): Uint8Array => header(id, FLAG.response | rcode, [0, 0, 0, 0]);

/** The same answer under another number, with times to live of at most `maxTtlS` in the records of its answer. */
export function readdressed(bytes: Uint8Array, id: number, ttls: DnsAnswer["ttls"], maxTtlS: number): Uint8Array {
  const copy = bytes.slice();
  const view = viewOf(copy);
  view.setUint16(0, id);
  for (const { at, ttlS } of ttls) if (ttlS > maxTtlS) view.setUint32(at, maxTtlS);
  return copy;
}

const EMPTY = new Uint8Array();
const EXTENDED_ERROR_OPTION = 15;
const MAX_TEXT_BYTES = 200;

function header(id: number, flags: number, counts: readonly [number, number, number, number]): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = viewOf(bytes);
  [id, flags, ...counts].forEach((value, index) => void view.setUint16(index * 2, value));
  return bytes;
}

function optRecord(payloadBytes: number, isDnssecOk: boolean, options: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(11);
  const view = viewOf(bytes);
  view.setUint16(1, TYPE.opt);
  view.setUint16(3, payloadBytes);
  view.setUint32(5, isDnssecOk ? DNSSEC_OK : 0);
  view.setUint16(9, options.length);
  return joined(bytes, options);
}

function extendedError(reason: number, text: string): Uint8Array {
  const said = new TextEncoder().encode(text).subarray(0, MAX_TEXT_BYTES);
  const bytes = new Uint8Array(6);
  const view = viewOf(bytes);
  view.setUint16(0, EXTENDED_ERROR_OPTION);
  view.setUint16(2, 2 + said.length);
  view.setUint16(4, reason);
  return joined(bytes, said);
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
