/** Tables of verdicts by protocol and port, with their numbers: tables that say the same are one, as long as somebody uses it. */
import type { Ground } from "../policy/access/decide-access.ts";
import { MAX_PORT } from "../resource/port-spec.ts";
import type { PortVerdict } from "../target/kernel/kernel-artifact.ts";
import { PROTOCOL_NUMBER, type Verdict, type VerdictKey } from "./kernel-maps.ts";
import { portPrefixes } from "./port-prefixes.ts";

const TABLE_BITS = 32;
const PROTOCOL_BITS = 16;

/** Things that are equal share a number, which is free again once nobody holds it. */
class SharedNumbers<T> {
  readonly #byContent = new Map<string, number>();
  readonly #holders = new Map<number, { readonly content: string; readonly item: T; count: number }>();
  readonly #free: number[] = [];
  #next: number;

  constructor(first: number) {
    this.#next = first;
  }

  /** The number of an item, and whether it is a new one. */
  take(item: T): { readonly number: number; readonly isNew: boolean } {
    const content = JSON.stringify(item);
    const known = this.#byContent.get(content);
    if (known !== undefined) {
      const holder = this.#holders.get(known);
      if (holder !== undefined) holder.count++;
      return { number: known, isNew: false };
    }
    const number = this.#free.pop() ?? this.#next++;
    this.#byContent.set(content, number);
    this.#holders.set(number, { content, item, count: 1 });
    return { number, isNew: true };
  }

  /** What was forgotten by it: undefined while others hold it. */
  giveBack(number: number): T | undefined {
    const holder = this.#holders.get(number);
    if (holder === undefined || --holder.count > 0) return undefined;
    this.#holders.delete(number);
    this.#byContent.delete(holder.content);
    this.#free.push(number);
    return holder.item;
  }

  /** By number. */
  items(): (T | undefined)[] {
    const items = new Array<T | undefined>(this.#next).fill(undefined);
    for (const [number, { item }] of this.#holders) items[number] = item;
    return items;
  }
}

export class VerdictTables {
  readonly #write: (table: number, entries: readonly (readonly [VerdictKey, Verdict])[]) => void;
  readonly #tables = new SharedNumbers<readonly PortVerdict[]>(0);
  /** 0 is none. */
  readonly #grounds = new SharedNumbers<Ground>(1);
  readonly #groundsOf = new Map<number, readonly number[]>();
  #list: readonly (Ground | undefined)[] | undefined;

  /** Tells `write` of each table that there is from now on, and of each that is gone, which has no entries. */
  constructor(write: (table: number, entries: readonly (readonly [VerdictKey, Verdict])[]) => void) {
    this.#write = write;
  }

  /** The number of a table, which is held until it is given back. */
  take(verdicts: readonly PortVerdict[]): number {
    const { number: table, isNew } = this.#tables.take(verdicts);
    if (!isNew) return table;
    this.#list = undefined;
    const grounds = verdicts.map(({ ground, audited }) => this.#grounds.take(audited ?? ground).number);
    this.#groundsOf.set(table, grounds);
    const values = verdicts.map(
      ({ verdict, audited, isProvisional }, index): Verdict => ({
        isAllowed: verdict === "allow" ? 1 : 0,
        isAudited: audited === undefined ? 0 : 1,
        isProvisional: isProvisional ? 1 : 0,
        ground: grounds[index] ?? 0,
      }),
    );
    const entries = encodeTable(table, verdicts, values);
    this.#write(table, entries);
    return table;
  }

  giveBack(table: number): void {
    if (this.#tables.giveBack(table) === undefined) return;
    this.#list = undefined;
    for (const ground of this.#groundsOf.get(table) ?? []) this.#grounds.giveBack(ground);
    this.#groundsOf.delete(table);
    this.#write(table, []);
  }

  /** By number. The list stays what it is when tables change later. */
  grounds(): readonly (Ground | undefined)[] {
    this.#list ??= this.#grounds.items();
    return this.#list;
  }
}

interface Prefix {
  readonly protocol: number;
  readonly port: number;
  /** Of protocol and port, that count. */
  readonly bits: number;
  readonly value: string;
}

/** The fewest entries that come easily: the longest prefix counts, so that what most ports have is said once, and the rest beside it. */
function encodeTable(
  table: number,
  verdicts: readonly PortVerdict[],
  values: readonly Verdict[],
): readonly (readonly [VerdictKey, Verdict])[] {
  const byText = new Map<string, Verdict>();
  const prefixes = verdicts.flatMap(({ protocol, first, last }, index): readonly Prefix[] => {
    const verdict = values[index];
    if (verdict === undefined) return [];
    const value = JSON.stringify(verdict);
    byText.set(value, verdict);
    return portPrefixes(first, wholeEnd(protocol, first, last)).map(({ port, bits }) => ({
      protocol: PROTOCOL_NUMBER[protocol],
      port,
      bits: PROTOCOL_BITS + bits,
      value,
    }));
  });
  const byProtocol = [...Map.groupBy(prefixes, ({ protocol }) => protocol)].flatMap(([protocol, own]) =>
    withDefault(own, { protocol, port: 0, bits: PROTOCOL_BITS }),
  );
  // Whatever is none of the protocols meets the default of the table, which therefore never allows.
  const denied = byProtocol.filter(({ bits, value }) => bits === PROTOCOL_BITS && byText.get(value)?.isAllowed === 0);
  const others = byProtocol.filter((prefix) => !denied.includes(prefix));
  return [...withDefault(denied, { protocol: 0, port: 0, bits: 0 }), ...others].flatMap(({ protocol, port, bits, value }) => {
    const verdict = byText.get(value);
    return verdict === undefined ? [] : [[{ bits: TABLE_BITS + bits, table, protocol, port }, verdict] as const];
  });
}

/** Says the value that most of the prefixes have by one shorter prefix instead. */
function withDefault(prefixes: readonly Prefix[], shorter: Omit<Prefix, "value">): readonly Prefix[] {
  const [most] = [...Map.groupBy(prefixes, ({ value }) => value)].sort(([, a], [, b]) => b.length - a.length)[0] ?? [];
  return most === undefined ? prefixes : [{ ...shorter, value: most }, ...prefixes.filter(({ value }) => value !== most)];
}

/** Types of ICMP are the first 256 ports; what all of them have, no other port can say. */
const wholeEnd = (protocol: PortVerdict["protocol"], first: number, last: number): number =>
  protocol.startsWith("icmp") && first === 0 && last === MAX_ICMP_TYPE ? MAX_PORT : last;

const MAX_ICMP_TYPE = 255;
