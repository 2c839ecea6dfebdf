/** Keys and values of maps between bytes and JavaScript. */
import { u32 } from "../layout.ts";
import { codecOf, type LayoutCodec } from "../layout-codec.ts";
import type { MapSpec } from "../map-spec.ts";

/** Of a map's keys; indexes of arrays, and descriptors that own local storage, are numbers. */
export function keyCodec<K, V>(spec: MapSpec<K, V>): LayoutCodec<K> {
  if (spec.key !== undefined) return codecOf(spec.key);
  if (spec.keySize !== u32.size) throw new TypeError(`expected the map \`${spec.name}\` to have a layout for its keys`);
  // Without a layout, a specification says that keys are numbers.
  return codecOf(u32) as LayoutCodec<unknown> as LayoutCodec<K>;
}

export function valueCodec<K, V>(spec: MapSpec<K, V>): LayoutCodec<V> {
  if (spec.value === undefined) throw new TypeError(`expected the map \`${spec.name}\` to have a layout for its values`);
  return codecOf(spec.value);
}

/** Entries of a map as the kernel takes them, one after the other. */
export interface EncodedEntries {
  readonly count: number;
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
}

/** Encodes entries once, to write them as often as needed. Throws a `RangeError` when one does not fit its layout. */
export function encodeEntries<K, V>(spec: MapSpec<K, V>, entries: readonly (readonly [K, V])[]): EncodedEntries {
  const { keySize, valueSize } = spec;
  const [key, value] = [keyCodec(spec), valueCodec(spec)];
  const [keys, values] = [new Uint8Array(entries.length * keySize), new Uint8Array(entries.length * valueSize)];
  const [keyView, valueView] = [new DataView(keys.buffer), new DataView(values.buffer)];
  for (const [index, entry] of entries.entries()) {
    key.encode(keyView, index * keySize, entry[0]);
    value.encode(valueView, index * valueSize, entry[1]);
  }
  return { count: entries.length, keys, values };
}
