import { describe, expect, test } from "vitest";
import { CelDouble, CelMap, CelTimestamp, CelUint, type CelValue } from "../value.ts";
import { isPlainMap, MapBuilder, mapGet, mapKeys, mapSize } from "./map.ts";

function build(...entries: readonly (readonly [CelValue, CelValue])[]): ReturnType<MapBuilder["build"]> {
  const builder = new MapBuilder();
  for (const [key, value] of entries) expect(builder.add(key, value)).toBeUndefined();
  return builder.build();
}

describe("isPlainMap", () => {
  test.each<CelValue>([{}, { a: 1 }, Object.create(null), JSON.parse('{"__proto__": 1}')])("%o is one", (value) => {
    expect(isPlainMap(value)).toBe(true);
  });

  test.each<CelValue>([null, 1, "a", true, [], new CelMap(new Map()), new CelTimestamp(0, 0), new Uint8Array()])("%o is none", (value) => {
    expect(isPlainMap(value)).toBe(false);
  });
});

describe("maps", () => {
  test("string keys make a plain object, in which __proto__ is an entry", () => {
    const map = build(["__proto__", 1], ["constructor", 2]);
    expect(Object.getPrototypeOf(map)).toBe(Object.prototype);
    expect([mapGet(map, "__proto__"), mapGet(map, "constructor"), mapGet(map, "toString")]).toEqual([1, 2, undefined]);
    expect(mapKeys(map)).toEqual(["__proto__", "constructor"]);
  });

  test("numbers that are equal are one key, and the key keeps its type", () => {
    const map = build([1, "one"], [new CelUint(2n), "two"], [true, "yes"], ["1", "text"]);
    expect(map).toBeInstanceOf(CelMap);
    expect([new CelUint(1n), new CelDouble(1), 1].map((key) => mapGet(map, key))).toEqual(["one", "one", "one"]);
    expect([2, "1", true, 1.5, null].map((key) => mapGet(map, key))).toEqual(["two", "text", "yes", undefined, undefined]);
    expect(mapSize(map)).toBe(4);
    expect(mapKeys(map)[1]).toEqual(new CelUint(2n));
  });

  test.each<readonly [CelValue, CelValue]>([
    [1, new CelUint(1n)],
    ["a", "a"],
    [true, true],
  ])("%o and %o are the same key, which may be there once", (first, second) => {
    const builder = new MapBuilder();
    builder.add(first, 1);
    expect(builder.add(second, 2)).toMatchObject({ code: "CEL_DUPLICATE_KEY" });
  });

  test.each<CelValue>([1.5, new CelDouble(1), null, [], {}])("%o is no key", (key) => {
    expect(new MapBuilder().add(key, 1)).toMatchObject({ code: "CEL_NO_SUCH_OVERLOAD" });
  });
});
