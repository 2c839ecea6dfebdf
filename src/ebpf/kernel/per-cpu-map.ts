/** Maps that hold a value for each CPU. */

import type { LayoutCodec } from "../layout-codec.ts";
import type { LoadedMap } from "./loaded-map.ts";
import { perCpuStride } from "./loaded-map.ts";
import { keyCodec, valueCodec } from "./map-codec.ts";
import type { RawMap } from "./raw-map.ts";

/** A map of which each CPU writes its own values, without locks; reading gives them all. */
export class PerCpuMap<K, V> {
  readonly map: LoadedMap<K, V>;
  readonly #raw: RawMap;
  readonly #key: LayoutCodec<K>;
  readonly #value: LayoutCodec<V>;
  readonly #keyView: DataView;
  readonly #valueView: DataView;
  readonly #stride: number;

  constructor(map: LoadedMap<K, V>) {
    this.map = map;
    this.#raw = map.raw;
    this.#key = keyCodec(map.spec);
    this.#value = valueCodec(map.spec);
    this.#keyView = new DataView(this.#raw.key.buffer);
    this.#valueView = new DataView(this.#raw.value.buffer);
    this.#stride = perCpuStride(map.spec.valueSize);
  }

  /** How many values each key has. */
  get cpuCount(): number {
    return this.#raw.shape.valueSize / this.#stride;
  }

  /** The values of all CPUs, by their number. */
  get(key: K): V[] | undefined {
    this.#key.encode(this.#keyView, 0, key);
    return this.#raw.lookup() ? this.#values() : undefined;
  }

  /** Writes the values of all CPUs; those that are left out are zero. */
  set(key: K, values: readonly V[]): void {
    if (values.length > this.cpuCount) throw new RangeError(`expected at most ${this.cpuCount} values, got ${values.length}`);
    this.#key.encode(this.#keyView, 0, key);
    this.#raw.value.fill(0);
    for (const [cpu, value] of values.entries()) this.#value.encode(this.#valueView, cpu * this.#stride, value);
    this.#raw.update("any");
  }

  /** False when there was no such key. */
  delete(key: K): boolean {
    this.#key.encode(this.#keyView, 0, key);
    return this.#raw.delete();
  }

  /** The keys with the values of all CPUs; at most about as many as the map can hold, whatever programs do meanwhile. */
  *entries(): Generator<[K, V[]], void> {
    let position: Uint8Array | undefined;
    for (let count = 0; count < this.#raw.shape.maxEntries; count++) {
      if (position !== undefined) this.#raw.key.set(position);
      if (!this.#raw.nextKey(position === undefined)) return;
      position = this.#raw.key.slice();
      if (this.#raw.lookup()) yield [this.#key.decode(this.#keyView, 0), this.#values()];
    }
  }

  #values(): V[] {
    return Array.from({ length: this.cpuCount }, (_, cpu) => this.#value.decode(this.#valueView, cpu * this.#stride));
  }
}
