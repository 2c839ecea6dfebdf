/** Objects that outlive their owner: pinned, listed, opened again, removed. */
import { rmSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { attachRawTracepoint } from "../../src/ebpf/kernel/attach.ts";
import { loadCollection } from "../../src/ebpf/kernel/collection.ts";
import { KeyedMap } from "../../src/ebpf/kernel/keyed-map.ts";
import { createMap } from "../../src/ebpf/kernel/loaded-map.ts";
import { findPinDirectory, openPinDirectory, type PinDirectory } from "../../src/ebpf/kernel/pin-directory.ts";
import { u32 } from "../../src/ebpf/layout.ts";
import { hashMap } from "../../src/ebpf/map-spec.ts";
import { syscall } from "../../src/linux/native.ts";
import { countingProgram, hits } from "./counting-program.ts";

const NAME = `vigil-test-${process.pid}`;
let pins: PinDirectory;
beforeEach(() => {
  pins = openPinDirectory(NAME);
});
afterEach(() => rmSync(pins.path, { recursive: true, force: true }));

const counter = hits();
const spec = countingProgram(counter, 0, { type: "raw_tracepoint" });

test("a pinned link goes on working when all else is closed, and ends when it is unpinned", () => {
  {
    using collection = loadCollection({ programs: [spec] });
    using link = attachRawTracepoint(collection.program(spec), "sys_enter");
    pins.pin(link, "test", "count");
    pins.pin(collection.map(counter), "test", "hits");
    pins.pin(collection.program(spec), "test", "program");
  }
  expect(pins.list().map(({ owner, name, kind }) => `${owner}/${name} ${kind}`)).toEqual([
    "test/count link",
    "test/hits map",
    "test/program program",
  ]);
  using map = pins.map(counter, "test", "hits");
  using link = pins.link("test", "count");
  expect(link?.where).toBe("sys_enter");
  const counts = new KeyedMap(map ?? createMap(counter));
  const before = counts.get(0) ?? 0;
  for (let index = 0; index < 10; index++) syscall("getppid");
  expect(counts.get(0)).toBeGreaterThanOrEqual(before + 10);
  link?.[Symbol.dispose]();
  expect([pins.unpin("test", "count"), pins.unpin("test", "hits"), pins.unpin("test", "program")]).toEqual([true, true, true]);
  expect(pins.unpin("test", "count")).toBe(false);
  expect(pins.list()).toEqual([]);
});

test("a pin is replaced in one step, also after a process that died while it did so", () => {
  const [first, second] = [createMap(counter), createMap(counter)];
  new KeyedMap(second).set(0, 2);
  pins.pin(first, "test", "map");
  expect(() => pins.pin(second, "test", "map")).toThrow("EEXIST");
  pins.pin(first, "test", "map~new");
  pins.pin(second, "test", "map", { replace: true });
  first[Symbol.dispose]();
  second[Symbol.dispose]();
  using map = pins.map(counter, "test", "map");
  expect(map && new KeyedMap(map).get(0)).toBe(2);
});

test("a pin of another kind, of another size or with a hostile name is refused", () => {
  using map = createMap(counter);
  pins.pin(map, "test", "map");
  expect(() => pins.link("test", "map")).toThrow("expected a pinned link at `test/map`, got a map");
  expect(() => pins.map(hashMap("other", { key: u32, value: u32, maxEntries: 1 }), "test", "map")).toThrow("another type or size");
  expect(pins.map(counter, "test", "nothing")).toBeUndefined();
  for (const name of ["../x", "a/b", "a.b", ""]) expect(() => pins.pin(map, "test", name)).toThrow(RangeError);
});

test("looking for pins creates nothing", () => {
  expect(findPinDirectory(`${NAME}-none`)).toBeUndefined();
});
