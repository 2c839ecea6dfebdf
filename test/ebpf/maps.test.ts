/** Maps of every type that has typed keys and values, in the running kernel. */
import { describe, expect, test } from "vitest";
import { KeyedMap } from "../../src/ebpf/kernel/keyed-map.ts";
import { createMap } from "../../src/ebpf/kernel/loaded-map.ts";
import { PerCpuMap } from "../../src/ebpf/kernel/per-cpu-map.ts";
import { ReferenceMap } from "../../src/ebpf/kernel/reference-map.ts";
import { array, bool, bytes, i32, struct, text, u16be, u32, u64, u64AsNumber } from "../../src/ebpf/layout.ts";
import { arrayMap, hashMap, MAP_FLAGS, mapOfMaps } from "../../src/ebpf/map-spec.ts";

const Key = struct("Key", { family: u32, port: u16be, name: text(10) });
const Value = struct("Value", { hits: u64, limits: array(i32, 3), isOn: bool, tag: bytes(4) });
const rules = (maxEntries: number, type?: "hash" | "lru_hash") =>
  hashMap("rules", { key: Key, value: Value, maxEntries, ...(type === undefined ? {} : { type }) });
const value = (hits: bigint) => ({ hits, limits: [-1, 0, 1], isOn: true, tag: Uint8Array.of(1, 2, 3, 4) });

describe("a hash", () => {
  test("holds what was written, as it was written", () => {
    using map = createMap(rules(10));
    const typed = new KeyedMap(map);
    const key = { family: 2, port: 443, name: "vigil" };
    expect(typed.get(key)).toBeUndefined();
    expect(typed.set(key, value(7n))).toBe(true);
    expect(typed.get(key)).toEqual(value(7n));
    expect([...typed.entries()]).toEqual([[key, value(7n)]]);
    expect(typed.set(key, value(8n), "create")).toBe(false);
    expect(typed.set({ ...key, port: 80 }, value(8n), "replace")).toBe(false);
    expect(typed.take(key)).toEqual(value(7n));
    expect(typed.delete(key)).toBe(false);
  });

  test("says how much it holds when it is full", () => {
    using map = createMap(rules(3));
    const typed = new KeyedMap(map);
    const fill = (): void => {
      for (let port = 0; port < 10_000; port++) typed.set({ family: 2, port, name: "" }, value(0n));
    };
    expect(fill).toThrow(/cannot write to the map `rules`: .*E2BIG/);
  });

  test("refuses a value that its layout cannot hold", () => {
    using map = createMap(rules(3));
    const typed = new KeyedMap(map);
    expect(() => typed.set({ family: -1, port: 1, name: "" }, value(0n))).toThrow("expected `Key.family` to be 0 to 4294967295, got -1");
    expect(() => typed.set({ family: 1, port: 1, name: "longer than ten" }, value(0n))).toThrow("at most 10 bytes");
  });

  test("cannot be used once it is closed", () => {
    const map = createMap(rules(3));
    const typed = new KeyedMap(map);
    map[Symbol.dispose]();
    expect(() => typed.get({ family: 1, port: 1, name: "" })).toThrow("the map `rules` is closed");
  });
});

const numbers = (count: number): [number, number][] => Array.from({ length: count }, (_, index) => [index, index * 3]);

describe.each([
  ["hash", 10_000],
  ["lru_hash", 10_000],
  ["lpm_trie", 10_000],
] as const)("many entries at once in a map of type %s", (type, count) => {
  const isTrie = type === "lpm_trie";
  const key = struct("Prefix", { bits: u32, address: u32 });
  const spec = hashMap("many", { key, value: u64AsNumber, maxEntries: count * 2, type });
  const keyOf = (index: number) => ({ bits: isTrie ? 32 : 0, address: index });

  test("are written, walked through and deleted", () => {
    using map = createMap(spec);
    const typed = new KeyedMap(map);
    typed.setAll(numbers(count).map(([index, number]) => [keyOf(index), number]));
    const read = new Map([...typed.entries()].map(([{ address }, number]) => [address, number]));
    expect(read).toEqual(new Map(numbers(count)));
    const deleted = typed.deleteAll(Array.from({ length: count }, (_, index) => keyOf(index * 2)));
    expect(deleted).toBe(count / 2);
    expect([...typed.entries()]).toHaveLength(count / 2);
  });
});

describe("an array", () => {
  test("is memory that is shared with programs, when it is asked for", () => {
    const spec = arrayMap("flags", { value: u64AsNumber, maxEntries: 1000, flags: MAP_FLAGS.mmapable });
    using map = createMap(spec);
    const typed = new KeyedMap(map);
    using memory = map.memory();
    const words = new Float64Array(memory.buffer);
    typed.set(999, 2 ** 40);
    expect(new DataView(memory.buffer).getBigUint64(999 * 8, true)).toBe(2n ** 40n);
    new DataView(memory.buffer).setBigUint64(8, 5n, true);
    expect(typed.get(1)).toBe(5);
    expect(words).toHaveLength(1024);
    expect(typed.get(1000)).toBeUndefined();
    expect([...typed.entries()]).toHaveLength(1000);
  });

  test("cannot be written by this process once it is frozen", () => {
    using map = createMap(arrayMap("fixed", { value: u32, maxEntries: 1 }));
    const typed = new KeyedMap(map);
    typed.set(0, 7);
    map.freeze();
    expect(() => typed.set(0, 8)).toThrow("EPERM");
    expect(typed.get(0)).toBe(7);
  });
});

describe.each(["percpu_array", "percpu_hash", "lru_percpu_hash"] as const)("a map of type %s", (type) => {
  test("has a value for each CPU", () => {
    const spec =
      type === "percpu_array"
        ? arrayMap("counts", { value: u32, maxEntries: 4, perCpu: true })
        : hashMap("counts", { key: u32, value: u32, maxEntries: 4, type });
    using map = createMap(spec);
    const typed = new PerCpuMap(map);
    const values = Array.from({ length: typed.cpuCount }, (_, cpu) => cpu + 1);
    typed.set(2, values);
    expect(typed.get(2)).toEqual(values);
    const zeros = values.map(() => 0);
    const expected = type === "percpu_array" ? [0, 1, 2, 3].map((key) => [key, key === 2 ? values : zeros]) : [[2, values]];
    expect([...typed.entries()]).toEqual(expected);
  });
});

test("a map of maps is swapped as a whole", () => {
  const inner = hashMap("inner", { key: u32, value: u32, maxEntries: 10 });
  using outer = createMap(mapOfMaps("outer", { inner, maxEntries: 1 }));
  const slots = new ReferenceMap(outer);
  expect(slots.idAt(0)).toBeUndefined();
  using first = createMap(inner);
  using second = createMap(inner);
  slots.set(0, first);
  const before = slots.idAt(0);
  slots.set(0, second);
  expect(slots.idAt(0)).not.toBe(before);
  expect(slots.delete(0)).toBe(true);
  using wrong = createMap({ ...inner, valueSize: 8 });
  expect(() => slots.set(0, wrong)).toThrow("EINVAL");
});
