/** Which addresses names have, as far as workloads were told, and until when. Pure: the time is an argument, in milliseconds since the epoch. */
import { formatIpAddress } from "../../lib/ip-network.ts";
import type { LearnedAddress } from "../../target/kernel/network-node.ts";

export interface NameLimits {
  /** Names that one workload has asked for and that are still known. */
  readonly namesPerWorkload: number;
  /** Addresses of all names. */
  readonly addresses: number;
  /** Addresses of one name that are still known. */
  readonly addressesPerName: number;
}

export const DEFAULT_NAME_LIMITS: NameLimits = { namesPerWorkload: 1_000, addresses: 16_384, addressesPerName: 256 };

/** Between two looks at who uses an address. */
const KEPT_MS = 30_000;

export interface NamedAddress {
  readonly name: string;
  readonly address: Uint8Array;
  readonly untilMs: number;
}

interface Known {
  readonly address: Uint8Array;
  /** By name: until when. */
  readonly names: Map<string, number>;
}

export class LearnedNames {
  readonly #limits: NameLimits;
  /** By the text of the address. */
  readonly #known = new Map<string, Known>();
  /** By name: texts of its addresses. */
  readonly #addresses = new Map<string, Set<string>>();
  /** By name: workloads that asked for it. */
  readonly #askers = new Map<string, Set<string>>();
  readonly #asked = new Map<string, number>();

  constructor(limits: NameLimits = DEFAULT_NAME_LIMITS) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#known.size;
  }

  /**
   * A name has these addresses, told to a workload (`asker`, empty when that is not known any more). Returns the addresses whose names have
   * changed, with all of their names; or which limit is reached, and then nothing is learned.
   */
  learn(
    asker: string,
    name: string,
    answered: readonly { readonly address: Uint8Array; readonly untilMs: number }[],
  ): readonly LearnedAddress[] | keyof NameLimits {
    const own = this.#addresses.get(name) ?? new Set<string>();
    const texts = answered.map(({ address }) => formatIpAddress(address));
    const isNewAsker = asker !== "" && this.#askers.get(name)?.has(asker) !== true;
    if (isNewAsker && (this.#asked.get(asker) ?? 0) >= this.#limits.namesPerWorkload) return "namesPerWorkload";
    if (new Set([...own, ...texts]).size > this.#limits.addressesPerName) return "addressesPerName";
    if (this.#known.size + texts.filter((text) => !this.#known.has(text)).length > this.#limits.addresses) return "addresses";
    const changed: LearnedAddress[] = [];
    for (const [index, { address, untilMs }] of answered.entries()) {
      const text = texts[index] ?? "";
      const known = this.#known.get(text) ?? { address, names: new Map<string, number>() };
      this.#known.set(text, known);
      const isNew = !known.names.has(name);
      known.names.set(name, Math.max(untilMs, known.names.get(name) ?? 0));
      own.add(text);
      if (isNew) changed.push({ address, names: [...known.names.keys()] });
    }
    if (own.size === 0) return changed;
    this.#addresses.set(name, own);
    if (isNewAsker) {
      const askers = this.#askers.get(name) ?? new Set<string>();
      this.#askers.set(name, askers.add(asker));
      this.#asked.set(asker, (this.#asked.get(asker) ?? 0) + 1);
    }
    return changed;
  }

  /**
   * Names whose time is over are forgotten, and `changed` are the addresses whose names have changed by it. Where somebody uses the address they
   * are `kept` for a while, after which it is looked at again.
   */
  expire(
    nowMs: number,
    inUse: () => ReadonlySet<string>,
  ): { readonly changed: readonly LearnedAddress[]; readonly kept: readonly NamedAddress[] } {
    const over = [...this.#known].filter(([, { names }]) => [...names.values()].some((untilMs) => untilMs <= nowMs));
    const changed: LearnedAddress[] = [];
    const kept: NamedAddress[] = [];
    if (over.length === 0) return { changed, kept };
    const used = inUse();
    for (const [text, { address, names }] of over) {
      const isUsed = used.has(text);
      for (const [name, untilMs] of names) {
        if (untilMs > nowMs) continue;
        if (isUsed) {
          names.set(name, nowMs + KEPT_MS);
          kept.push({ name, address, untilMs: nowMs + KEPT_MS });
        } else {
          names.delete(name);
          this.#forget(name, text);
        }
      }
      if (names.size === 0) this.#known.delete(text);
      if (!isUsed) changed.push({ address, names: [...names.keys()] });
    }
    return { changed, kept };
  }

  #forget(name: string, text: string): void {
    const own = this.#addresses.get(name);
    own?.delete(text);
    if (own === undefined || own.size > 0) return;
    this.#addresses.delete(name);
    for (const asker of this.#askers.get(name) ?? []) {
      const left = (this.#asked.get(asker) ?? 1) - 1;
      if (left > 0) this.#asked.set(asker, left);
      else this.#asked.delete(asker);
    }
    this.#askers.delete(name);
  }

  *entries(): Generator<NamedAddress, void> {
    for (const { address, names } of this.#known.values()) for (const [name, untilMs] of names) yield { name, address, untilMs };
  }

  /** The names of an address; none where it is not known. */
  namesOf(address: Uint8Array): readonly string[] {
    return [...(this.#known.get(formatIpAddress(address))?.names.keys() ?? [])];
  }
}
