/** Learns names for the kernel: first for its programs, then in a map that the next process reads, and only then is an answer handed out. */

import { type Collection, KeyedMap } from "../../ebpf/index.ts";
import { formatIpAddress, isGlobalUnicast, isIpv4Mapped } from "../../lib/ip-network.ts";
import type { LearnedAddress } from "../../target/kernel/network-node.ts";
import { addressOfHalves, halvesOf } from "./address-halves.ts";
import { type DnsMaps, fitsNameKey, type NameKey } from "./dns-maps.ts";
import { LearnedNames, type NameLimits } from "./learned-names.ts";

export interface NameLearningParts {
  readonly maps: DnsMaps;
  readonly loaded: Collection;
  readonly limits: NameLimits;
  /** Makes changes take effect before it returns. */
  readonly apply: (changes: readonly LearnedAddress[]) => void;
  /** Texts of addresses to which connections are open. */
  readonly inUse: () => ReadonlySet<string>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export class NameLearning {
  readonly #parts: NameLearningParts;
  readonly #names: LearnedNames;
  readonly #store: KeyedMap<NameKey, number>;
  /** Addresses whose names have changed, of which the kernel has not been told yet. */
  readonly #untold = new Map<string, Uint8Array>();

  constructor(parts: NameLearningParts) {
    this.#parts = parts;
    this.#names = new LearnedNames(parts.limits);
    this.#store = new KeyedMap(parts.loaded.map(parts.maps.names));
  }

  /** Addresses whose names are known. */
  get size(): number {
    return this.#names.size;
  }

  /** What an earlier process has learned and what has not expired since. */
  restore(): void {
    const now = this.#parts.now();
    const gone: NameKey[] = [];
    const changes: LearnedAddress[] = [];
    for (const [key, untilMs] of this.#store.entries()) {
      const address = addressOfHalves(key);
      const learned = untilMs > now ? this.#names.learn("", key.name, [{ address, untilMs }]) : "gone";
      if (typeof learned === "string") gone.push(key);
      else changes.push(...learned);
    }
    this.#store.deleteAll(gone);
    if (changes.length > 0) this.#parts.apply(changes);
  }

  /**
   * A resolver that is believed has told a workload (`asker`, any text that names it) which addresses a name has. Addresses that mean this host
   * or its links are never learned: otherwise whoever answers for a name could send its callers there. Returns which limit is reached; then
   * nothing is learned. Throws `NETWORK_SET`.
   */
  learn(
    asker: string,
    name: string,
    answered: readonly { readonly address: Uint8Array; readonly untilMs: number }[],
  ): keyof NameLimits | undefined {
    const own = answered.filter(({ address }) => isLearnable(address));
    if (own.length === 0 || !fitsNameKey(name)) return undefined;
    const changes = this.#names.learn(asker, name, own);
    if (typeof changes === "string") return changes;
    try {
      if (changes.length > 0) this.#parts.apply(changes);
    } catch (thrown) {
      // What is known here and not there is told again by `expire`.
      for (const { address } of changes) this.#untold.set(formatIpAddress(address), address);
      throw thrown;
    }
    for (const { address, untilMs } of own) this.#store.set({ ...halvesOf(address), name }, untilMs);
    return undefined;
  }

  /**
   * Forgets what is over; call it every second or so. Addresses to which connections are open are kept for them. Throws `NETWORK_SET` when the
   * kernel does not take it: the next call tries again.
   */
  expire(): void {
    const { changed, kept } = this.#names.expire(this.#parts.now(), this.#parts.inUse);
    for (const { name, address, untilMs } of kept) this.#store.set({ ...halvesOf(address), name }, untilMs);
    for (const { address } of changed) this.#untold.set(formatIpAddress(address), address);
    if (this.#untold.size === 0) return;
    const gone = [...this.#store.entries()].flatMap(([key]) => {
      const address = addressOfHalves(key);
      return this.#untold.has(formatIpAddress(address)) && !this.#names.namesOf(address).includes(key.name) ? [key] : [];
    });
    this.#store.deleteAll(gone);
    // As they are now: one may have been learned again since.
    this.#parts.apply([...this.#untold.values()].map((address) => ({ address, names: this.#names.namesOf(address) })));
    this.#untold.clear();
  }

  namesOf(address: Uint8Array): readonly string[] {
    return this.#names.namesOf(address);
  }
}

const isLearnable = (address: Uint8Array): boolean => isGlobalUnicast(address) && !isIpv4Mapped(address);
