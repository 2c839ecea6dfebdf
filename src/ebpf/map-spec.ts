/** Maps as they are asked for: plain data, no kernel needed. */
import type { Layout } from "./layout.ts";

/** `enum bpf_map_type`, without the prefix. */
export const MAP_TYPES = {
  hash: 1,
  array: 2,
  prog_array: 3,
  perf_event_array: 4,
  percpu_hash: 5,
  percpu_array: 6,
  stack_trace: 7,
  cgroup_array: 8,
  lru_hash: 9,
  lru_percpu_hash: 10,
  lpm_trie: 11,
  array_of_maps: 12,
  hash_of_maps: 13,
  devmap: 14,
  sockmap: 15,
  cpumap: 16,
  xskmap: 17,
  sockhash: 18,
  reuseport_sockarray: 20,
  queue: 22,
  stack: 23,
  sk_storage: 24,
  devmap_hash: 25,
  ringbuf: 27,
  inode_storage: 28,
  task_storage: 29,
  bloom_filter: 30,
  user_ringbuf: 31,
  cgrp_storage: 32,
  arena: 33,
} as const;

export type MapType = keyof typeof MAP_TYPES;

/** `BPF_F_…` of `map_flags`. */
export const MAP_FLAGS = {
  noPrealloc: 0x0001,
  noCommonLru: 0x0002,
  numaNode: 0x0004,
  readOnlyUser: 0x0008,
  writeOnlyUser: 0x0010,
  zeroSeed: 0x0040,
  readOnlyProgram: 0x0080,
  writeOnlyProgram: 0x0100,
  mmapable: 0x0400,
  innerMap: 0x1000,
} as const;

/**
 * What a map shall be. `K` and `V` are what keys and values are in JavaScript.
 *
 * Specifications are told apart by identity: the same object in two programs is one map.
 */
export interface MapSpec<K = unknown, V = unknown> {
  /** At most 15 characters of `A-Z a-z 0-9 _ .`. */
  readonly name: string;
  readonly type: MapType;
  /** Bytes. */
  readonly keySize: number;
  /** Bytes; of one CPU in per-CPU maps. */
  readonly valueSize: number;
  /** Of a ring buffer, its size in bytes: a power of two, at least one page. */
  readonly maxEntries: number;
  /** A union of `MAP_FLAGS`; 0 when absent. */
  readonly flags?: number;
  /** What the maps in a map of maps look like. */
  readonly inner?: MapSpec;
  readonly key?: Layout<K>;
  readonly value?: Layout<V>;
  /** `map_extra`: the number of hash functions of a Bloom filter. */
  readonly extra?: number;
}

const NAME = /^[\w.]{1,15}$/;

/** The name, if the kernel will take it for a map or a program. */
export function checkObjectName(name: string): string {
  if (!NAME.test(name)) throw new RangeError(`expected a name of 1 to 15 characters of A-Z a-z 0-9 _ and ., got \`${name}\``);
  return name;
}

interface KeyedMap<K, V> {
  readonly key: Layout<K>;
  readonly value: Layout<V>;
  readonly maxEntries: number;
  readonly flags?: number;
}

/** Types of maps whose keys and values have layouts of the program's choice. */
export type KeyedMapType = "hash" | "lru_hash" | "percpu_hash" | "lru_percpu_hash" | "lpm_trie";

/** A map from keys to values: a hash unless another `type` is asked for. An LPM trie always takes its memory on demand. */
export function hashMap<K, V>(name: string, spec: KeyedMap<K, V> & { readonly type?: KeyedMapType }): MapSpec<K, V> {
  const { key, value, maxEntries, type = "hash" } = spec;
  const flags = (spec.flags ?? 0) | (type === "lpm_trie" ? MAP_FLAGS.noPrealloc : 0);
  return { name: checkObjectName(name), type, keySize: key.size, valueSize: value.size, maxEntries, flags, key, value };
}

const INDEX_SIZE = 4;

/** An array of values that always exist and begin as zeros; user space can map it when `mmapable`. */
export function arrayMap<V>(
  name: string,
  spec: { readonly value: Layout<V>; readonly maxEntries: number; readonly perCpu?: boolean; readonly flags?: number },
): MapSpec<number, V> {
  const { value, maxEntries, perCpu = false, flags = 0 } = spec;
  const type = perCpu ? "percpu_array" : "array";
  return { name: checkObjectName(name), type, keySize: INDEX_SIZE, valueSize: value.size, maxEntries, flags, value };
}

/** A ring buffer whose records have a layout. `sizeBytes` is a power of two and at least 4096. */
export function ringBuffer<V>(name: string, spec: { readonly record?: Layout<V>; readonly sizeBytes: number }): MapSpec<never, V> {
  const { sizeBytes } = spec;
  if (sizeBytes < 4096 || (sizeBytes & (sizeBytes - 1)) !== 0)
    throw new RangeError(`expected sizeBytes to be a power of two and at least 4096, got ${sizeBytes}`);
  const sizes = { name: checkObjectName(name), type: "ringbuf", keySize: 0, valueSize: 0, maxEntries: sizeBytes } as const;
  return spec.record === undefined ? sizes : { ...sizes, value: spec.record };
}

/** Programs to jump to by index. */
export function programArray(name: string, maxEntries: number): MapSpec<number, never> {
  return { name: checkObjectName(name), type: "prog_array", keySize: INDEX_SIZE, valueSize: 4, maxEntries };
}

/** A map of maps that look like `inner`: by index, or by key where `key` is given. */
export function mapOfMaps<K = number>(
  name: string,
  spec: { readonly inner: MapSpec; readonly maxEntries: number; readonly key?: Layout<K> },
): MapSpec<K, never> {
  const { inner, maxEntries, key } = spec;
  const sizes = { name: checkObjectName(name), valueSize: 4, maxEntries, inner };
  return key === undefined
    ? { ...sizes, type: "array_of_maps", keySize: INDEX_SIZE }
    : { ...sizes, type: "hash_of_maps", keySize: key.size, key };
}

/** A value of its own for each task or cgroup, freed with it. The kernel asks for BTF of key and value (`mapBtf`). */
export function localStorage<V>(
  name: string,
  spec: { readonly of: "task" | "cgroup" | "socket"; readonly value: Layout<V> },
): MapSpec<number, V> {
  const type = ({ task: "task_storage", cgroup: "cgrp_storage", socket: "sk_storage" } as const)[spec.of];
  const { value } = spec;
  return { name: checkObjectName(name), type, keySize: 4, valueSize: value.size, maxEntries: 0, flags: MAP_FLAGS.noPrealloc, value };
}
