/** Puts policy sets in force in the kernel: written into the bank that nothing reads, then switched to in one step. */
import { type Collection, createMap, KeyedMap, type LoadedMap, type MapSpec, ReferenceMap } from "../ebpf/index.ts";
import { messageOf, VigilError } from "../lib/error.ts";
import type { EncodedSet } from "./encode-set.ts";
import type { AddressFacts, AddressKey, Banked, NetworkMaps } from "./kernel-maps.ts";
import type { NetworkErrorCode } from "./network-error.ts";

/** Entries of one map of a set, at most. */
const MAX_ENTRIES = 4_000_000;
const SMALLEST_CAPACITY = 64;

/** A map of a bank, with what was written into it. */
interface Placed {
  readonly map: LoadedMap;
  readonly keys: ReadonlyMap<string, unknown>;
}

export class PolicyBanks implements Disposable {
  readonly #maps: NetworkMaps;
  readonly #loaded: Pick<Collection, "map">;
  /** By bank and name of the map. */
  readonly #placed = new Map<string, Placed>();
  #generation: number;

  constructor(maps: NetworkMaps, loaded: Pick<Collection, "map">) {
    this.#maps = maps;
    this.#loaded = loaded;
    this.#generation = new KeyedMap(loaded.map(maps.state)).get(0)?.generation ?? 0;
  }

  /** The one in force; 0 when there is none. */
  get generation(): number {
    return this.#generation;
  }

  /** Returns the generation that is now in force. Throws `NETWORK_SET` when the kernel cannot hold the set: the one before stays in force. */
  swap(set: EncodedSet, { levels, isAudit }: { readonly levels: number; readonly isAudit: boolean }): number {
    // Generations from 2 on, so that 0 means none and the lowest bit alternates.
    const next = Math.max(2, this.#generation + 1);
    const bank = next & 1;
    const { banks, fence, state } = this.#maps;
    try {
      // Programs that still read this bank are those that began before the last switch: they have ended when this returns.
      using blank = createMap(fence.inner);
      new ReferenceMap(this.#loaded.map(fence.outer)).set(0, blank);
      this.#place(banks.workloads, bank, set.workloads);
      this.#place(banks.addresses, bank, set.addresses);
      this.#place(banks.policies, bank, set.policies);
      this.#place(banks.peers, bank, set.peers);
      this.#place(banks.networks, bank, set.networks);
      this.#place(banks.cells, bank, set.cells);
      this.#place(banks.verdicts, bank, set.verdicts);
    } catch (cause) {
      if (cause instanceof VigilError && cause.code === "NETWORK_SET") throw cause;
      throw new VigilError<NetworkErrorCode>("NETWORK_SET", `the kernel cannot hold the policies: ${messageOf(cause)}`, {
        hint: "what was in force before stays; see the reason named",
        cause,
      });
    }
    new KeyedMap(this.#loaded.map(state)).set(0, { generation: next, levels, isAudit: isAudit ? 1 : 0 });
    this.#generation = next;
    return next;
  }

  /**
   * Changes single entries of the addresses that are in force; false when there is no room, so that the whole set must be written. Programs see
   * each of them at once.
   */
  patchAddresses(written: readonly (readonly [AddressKey, AddressFacts])[], removed: readonly AddressKey[]): boolean {
    const name = `${this.#maps.banks.addresses.inner.name} ${this.#generation & 1}`;
    const placed = this.#placed.get(name);
    if (placed === undefined) return false;
    const keys = new Map(placed.keys);
    for (const key of removed) keys.delete(keyText(key));
    for (const [key] of written) keys.set(keyText(key), key);
    if (keys.size > placed.map.spec.maxEntries) return false;
    const map = new KeyedMap(placed.map as LoadedMap<AddressKey, AddressFacts>);
    for (const key of removed) map.delete(key);
    for (const [key, facts] of written) map.set(key, facts);
    this.#placed.set(name, { map: placed.map, keys });
    return true;
  }

  #place<K, V>({ outer, inner }: Banked<K, V>, bank: number, entries: readonly (readonly [K, V])[]): void {
    if (entries.length > MAX_ENTRIES)
      throw new VigilError<NetworkErrorCode>(
        "NETWORK_SET",
        `the policies take ${entries.length} entries of \`${inner.name}\`, of at most ${MAX_ENTRIES}`,
        { hint: "select peers by labels or trust domains rather than one by one; what was in force before stays" },
      );
    const name = `${inner.name} ${bank}`;
    const keys = new Map(entries.map(([key]) => [keyText(key), key]));
    const before = this.#placed.get(name);
    if (before !== undefined && entries.length <= before.map.spec.maxEntries) {
      // Nothing reads the bank now, so that it can be written in place.
      const map = new KeyedMap(before.map as LoadedMap<K, V>);
      const isArray = inner.type === "array";
      if (!isArray) map.deleteAll([...before.keys].flatMap(([text, key]) => (keys.has(text) ? [] : [key as K])));
      // Unknown until all is written, in case that something is refused in between.
      this.#placed.delete(name);
      map.setAll(entries);
      this.#placed.set(name, { map: before.map, keys });
      return;
    }
    const capacity = Math.max(SMALLEST_CAPACITY, Math.ceil(entries.length * 1.25));
    using owned = new DisposableStack();
    const map: LoadedMap<K, V> = owned.use(createMap({ ...inner, maxEntries: capacity } satisfies MapSpec<K, V>));
    new KeyedMap(map).setAll(entries);
    new ReferenceMap(this.#loaded.map(outer)).set(bank, map);
    before?.map[Symbol.dispose]();
    this.#placed.set(name, { map: map as LoadedMap, keys });
    owned.move();
  }

  /** Closes what it holds; what is in force stays in the kernel. */
  [Symbol.dispose](): void {
    for (const { map } of this.#placed.values()) map[Symbol.dispose]();
    this.#placed.clear();
  }
}

const keyText = (key: unknown): string => (typeof key === "object" && key !== null ? Object.values(key).join(" ") : String(key));
