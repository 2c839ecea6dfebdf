/** Maps in memory, with the results that the kernel gives. */

import { type Layout, u32 } from "../layout.ts";
import { decodeValue, encodeValue } from "../layout-codec.ts";
import type { MapSpec } from "../map-spec.ts";
import type { AddressSpace, MemoryRegion } from "./address-space.ts";

/** Negative results of functions on maps. */
const NO_ENTRY = -2n;
const TOO_BIG = -7n;
const EXISTS = -17n;
const INVALID = -22n;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

export class SimulatedMap<K = unknown, V = unknown> {
  readonly spec: MapSpec<K, V>;
  /** What stands for the map itself in a register. */
  readonly handle: MemoryRegion;
  readonly #space: AddressSpace;
  readonly #entries = new Map<string, MemoryRegion>();
  readonly #array: MemoryRegion | undefined;

  constructor(spec: MapSpec<K, V>, space: AddressSpace) {
    this.spec = spec;
    this.#space = space;
    this.handle = space.place(`the map ${spec.name}`, new Uint8Array(0));
    if (isArray(spec)) this.#array = space.place(`the values of ${spec.name}`, new Uint8Array(spec.maxEntries * this.#stride));
  }

  get #stride(): number {
    return Math.ceil(this.spec.valueSize / 8) * 8;
  }

  /** The address of the values of an array. */
  get valuesAddress(): bigint {
    if (this.#array === undefined) throw new TypeError(`\`${this.spec.name}\` is no array`);
    return this.#array.address;
  }

  /** The value of a key, or `undefined`. */
  get(key: K): V | undefined {
    const address = this.lookup(encodeValue(this.#keyLayout, key));
    return address === 0n ? undefined : decodeValue(this.#valueLayout, this.#space.bytes(address, this.spec.valueSize, false));
  }

  set(key: K, value: V): void {
    const result = this.update(encodeValue(this.#keyLayout, key), encodeValue(this.#valueLayout, value), 0n);
    if (result !== 0n) throw new RangeError(`\`${this.spec.name}\` does not take the entry: ${result}`);
  }

  /** How many keys it has; of an array, its length. */
  get size(): number {
    return this.#array === undefined ? this.#entries.size : this.spec.maxEntries;
  }

  get #keyLayout(): Layout<K> {
    // A map without a layout for its keys is an array, whose keys are numbers.
    return this.spec.key ?? (u32 as Layout<unknown> as Layout<K>);
  }

  get #valueLayout(): Layout<V> {
    if (this.spec.value === undefined) throw new TypeError(`\`${this.spec.name}\` has no layout for its values`);
    return this.spec.value;
  }

  /** The address of a value, or 0. */
  lookup(key: Uint8Array): bigint {
    if (this.#array !== undefined) {
      const index = new DataView(key.buffer, key.byteOffset, key.byteLength).getUint32(0, true);
      return index < this.spec.maxEntries ? this.#array.address + BigInt(index * this.#stride) : 0n;
    }
    if (this.spec.type === "lpm_trie") return this.#longestPrefix(key)?.address ?? 0n;
    return this.#entries.get(hex(key))?.address ?? 0n;
  }

  /** Keys are a length in bits and the octets. */
  #longestPrefix(key: Uint8Array): MemoryRegion | undefined {
    let best: MemoryRegion | undefined;
    let bestLength = -1;
    const wanted = lengthOf(key);
    for (const [text, region] of this.#entries) {
      const candidate = Buffer.from(text, "hex");
      const length = lengthOf(candidate);
      if (length > bestLength && length <= wanted && samePrefix(candidate, key, length)) {
        best = region;
        bestLength = length;
      }
    }
    return best;
  }

  update(key: Uint8Array, value: Uint8Array, flags: bigint): bigint {
    if (flags > 2n) return INVALID;
    const address = this.#array === undefined ? (this.#entries.get(hex(key))?.address ?? 0n) : this.lookup(key);
    if (address !== 0n) {
      if (flags === 1n) return EXISTS;
      this.#space.bytes(address, this.spec.valueSize, true).set(value);
      return 0n;
    }
    if (this.#array !== undefined) return TOO_BIG;
    if (flags === 2n) return NO_ENTRY;
    if (this.#entries.size >= this.spec.maxEntries && this.spec.maxEntries > 0 && !this.#evict()) return TOO_BIG;
    this.#entries.set(hex(key), this.#space.place(`a value of ${this.spec.name}`, Uint8Array.from(value)));
    return 0n;
  }

  #evict(): boolean {
    if (!this.spec.type.startsWith("lru")) return false;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
    return true;
  }

  delete(key: Uint8Array): bigint {
    if (this.#array !== undefined) return INVALID;
    return this.#entries.delete(hex(key)) ? 0n : NO_ENTRY;
  }
}

const isArray = ({ type }: MapSpec): boolean => type === "array" || type === "percpu_array";

const lengthOf = (key: Uint8Array): number => new DataView(key.buffer, key.byteOffset, key.byteLength).getUint32(0, true);

function samePrefix(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  for (let bit = 0; bit < bits; bit++) {
    const at = 4 + (bit >>> 3);
    const mask = 0x80 >>> (bit & 7);
    if (((a[at] ?? 0) & mask) !== ((b[at] ?? 0) & mask)) return false;
  }
  return true;
}
