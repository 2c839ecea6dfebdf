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
