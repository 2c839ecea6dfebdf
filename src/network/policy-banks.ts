/** Puts policy sets in force in the kernel: written into the bank that nothing reads, then switched to in one step. */
import { type Collection, createMap, type EncodedEntries, encodeEntries, KeyedMap, type LoadedMap, ReferenceMap } from "../ebpf/index.ts";
import { messageOf, VigilError } from "../lib/error.ts";
import { addressName } from "./encode-whereabouts.ts";
import {
  type AddressFacts,
  type AddressKey,
  AUDIT_BIT,
  type Banked,
  type Banks,
  DEEPEST_SHIFT,
  DEFAULT_SIZES,
  type NetworkMaps,
  type NetworkState,
} from "./kernel-maps.ts";
import type { NetworkErrorCode } from "./network-error.ts";
import type { EncodedMap, EncodedSet } from "./set-encoder.ts";

const SMALLEST_CAPACITY = 64;
/** A map that has become too small is made larger by this. */
const GROWTH = 1.5;

/** A map of a bank, with what was written into it. */
interface Placed {
  readonly map: LoadedMap;
  readonly blocks: Map<string | number | bigint, EncodedEntries>;
  /** Of the `EncodedMap`; -1 when it has been changed since. */
  version: number;
}

/** How the programs judge while a set is in force. */
export interface SetOptions {
  /** A bit for each depth of the hierarchy at which workloads have their cgroups. */
  readonly levels: number;
  readonly isAudit: boolean;
}

export class PolicyBanks implements Disposable {
  readonly #maps: NetworkMaps;
  readonly #loaded: Pick<Collection, "map">;
  readonly #maxEntries: number;
  /** By bank and name of the map. */
  readonly #placed = new Map<string, Placed>();
  #state: NetworkState;
  /** Whether programs that began before the last switch may still run. */
  #isUnsettled = true;

  /** A set may have `maxEntries` of each map. */
  constructor(maps: NetworkMaps, loaded: Pick<Collection, "map">, maxEntries: number = DEFAULT_SIZES.setEntries) {
    this.#maxEntries = maxEntries;
    this.#maps = maps;
    this.#loaded = loaded;
    this.#state = new KeyedMap(loaded.map(maps.state)).get(0) ?? { generation: 0, even: 0, odd: 0 };
  }

  /** The one in force; 0 when there is none. */
  get generation(): number {
    return this.#state.generation;
  }

  /**
   * Waits until no program runs that began before the last switch: only then is there a bank that nothing reads. Some milliseconds, which the next
   * swap does not have to wait when this was called meanwhile.
   */
  settle(): void {
    if (!this.#isUnsettled) return;
    const { fence } = this.#maps;
    using blank = createMap(fence.inner);
    new ReferenceMap(this.#loaded.map(fence.outer)).set(0, blank);
    this.#isUnsettled = false;
  }

  /** Returns the generation that is now in force. Throws `NETWORK_SET` when the kernel cannot hold the set: the one before stays in force. */
  swap({ maps }: EncodedSet, { levels, isAudit }: SetOptions): number {
    // Generations from 2 on, so that 0 means none and the lowest bit alternates.
    const next = Math.max(2, this.generation + 1);
    const bank = next & 1;
    const { banks } = this.#maps;
    try {
      this.settle();
      for (const name of BANK_NAMES) this.#place(banks[name] as Banked<unknown, unknown>, bank, maps[name]);
      // With the number of the set before: programs look at what is said of the bank that they are in.
      const deepest = Math.max(0, 31 - Math.clz32(levels));
      this.#say({ ...this.#state, [bank === 0 ? "even" : "odd"]: levels | (isAudit ? AUDIT_BIT : 0) | (deepest << DEEPEST_SHIFT) });
    } catch (cause) {
      if (cause instanceof VigilError && cause.code === "NETWORK_SET") throw cause;
      throw new VigilError<NetworkErrorCode>("NETWORK_SET", `the kernel cannot hold the policies: ${messageOf(cause)}`, {
        hint: "what was in force before stays; see the reason named",
        cause,
      });
    }
    this.#say({ ...this.#state, generation: next });
    this.#isUnsettled = true;
    return next;
  }

  #say(state: NetworkState): void {
    new KeyedMap(this.#loaded.map(this.#maps.state)).set(0, state);
    this.#state = state;
  }

  /**
   * Changes single entries of the addresses that are in force; false when there is no room, so that the whole set must be written. Programs see
   * each of them at once.
   */
  patchAddresses(written: readonly (readonly [AddressKey, AddressFacts])[], removed: readonly AddressKey[]): boolean {
    const { inner } = this.#maps.banks.addresses;
    const placed = this.#placed.get(placeName(inner.name, this.generation & 1));
    if (placed === undefined) return false;
    const added = new Set(written.map(([key]) => addressName(key)).filter((name) => !placed.blocks.has(name)));
    if (placed.blocks.size + added.size > placed.map.spec.maxEntries) return false;
    const map = new KeyedMap(placed.map as LoadedMap<AddressKey, AddressFacts>);
    placed.version = -1;
    for (const key of removed) {
      map.delete(key);
      placed.blocks.delete(addressName(key));
    }
    for (const [key, facts] of written) {
      map.set(key, facts);
      placed.blocks.set(addressName(key), encodeEntries(inner, [[key, facts]]));
    }
    return true;
  }

  #place(banked: Banked<unknown, unknown>, bank: number, wanted: EncodedMap): void {
    const { inner } = banked;
    if (wanted.entryCount > this.#maxEntries)
      throw new VigilError<NetworkErrorCode>(
        "NETWORK_SET",
        `the policies take ${wanted.entryCount} entries of \`${inner.name}\`, of at most ${this.#maxEntries}`,
        { hint: "select peers by labels or trust domains rather than one by one; what was in force before stays" },
      );
    const name = placeName(inner.name, bank);
    const before = this.#placed.get(name);
    if (before?.version === wanted.version) return;
    // Unknown until all is written, in case that something is refused in between.
    this.#placed.delete(name);
    using replaced = new DisposableStack();
    if (before !== undefined) replaced.use(before.map);
    const isInPlace = before !== undefined && wanted.entryCount <= before.map.spec.maxEntries;
    this.#placed.set(name, isInPlace ? changed(before, wanted) : this.#placeAnew(banked, bank, wanted));
    if (isInPlace) replaced.move();
  }

  /** Into a map of its own, which takes the place of the bank's. */
  #placeAnew({ outer, inner }: Banked<unknown, unknown>, bank: number, { blocks, entryCount, version }: EncodedMap): Placed {
    using owned = new DisposableStack();
    const capacity = Math.max(SMALLEST_CAPACITY, Math.ceil(entryCount * GROWTH));
    const map = owned.use(createMap({ ...inner, maxEntries: capacity }));
    new KeyedMap(map).setEncoded(blocks.values());
    new ReferenceMap(this.#loaded.map(outer)).set(bank, map);
    owned.move();
    return { map, blocks: new Map(blocks), version };
  }

  /** Closes what it holds; what is in force stays in the kernel. */
  [Symbol.dispose](): void {
    for (const { map } of this.#placed.values()) map[Symbol.dispose]();
    this.#placed.clear();
  }
}

const BANK_NAMES: readonly (keyof Banks)[] = ["workloads", "addresses", "policies", "peers", "networks", "cells", "verdicts"];

const placeName = (map: string, bank: number): string => `${map} ${bank}`;

/** Writes in place what differs: nothing reads the bank now. */
function changed(placed: Placed, { blocks, version }: EncodedMap): Placed {
  const gone = [...placed.blocks].filter(([name, block]) => blocks.get(name) !== block);
  const fresh = [...blocks].filter(([name, block]) => placed.blocks.get(name) !== block);
  const map = new KeyedMap(placed.map);
  // Entries of arrays cannot be deleted; nothing leads to them any more.
  if (placed.map.spec.type !== "array") map.deleteEncoded(gone.map(([, block]) => block));
  map.setEncoded(fresh.map(([, block]) => block));
  for (const [name] of gone) placed.blocks.delete(name);
  for (const [name, block] of fresh) placed.blocks.set(name, block);
  return { ...placed, version };
}
