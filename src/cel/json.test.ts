import fc from "fast-check";
import { expect, test } from "vitest";
import { toJson } from "./json.ts";
import { INT } from "./type.ts";
import {
  CelDouble,
  CelDuration,
  CelError,
  CelMap,
  CelOptional,
  CelTimestamp,
  CelTypeValue,
  CelUint,
  type CelValue,
  NONE,
} from "./value.ts";

const failure = new CelError("CEL_OVERFLOW", "integer overflow");

test.each([
  ["an integral double", new CelDouble(2), 2],
  ["NaN", Number.NaN, "NaN"],
  ["infinity", Number.NEGATIVE_INFINITY, "-Infinity"],
  ["a large int", 2n ** 62n, 2n ** 62n],
  ["a uint", new CelUint(7n), 7],
  ["a large uint", new CelUint(2n ** 63n), 2n ** 63n],
  ["a timestamp", new CelTimestamp(0, 500_000_000), "1970-01-01T00:00:00.5Z"],
  ["a duration", new CelDuration(1, 500_000_000), "1.5s"],
  ["bytes", Uint8Array.of(1, 2), "AQI="],
  ["an optional", new CelOptional(true, "x"), "x"],
  ["no value", NONE, null],
  ["a type", new CelTypeValue(INT), "int"],
  ["a map with other keys", new CelMap(new Map([[1, [1, "one"]]])), { "1": "one" }],
  ["nested values", { list: [new CelUint(1n), { deep: NONE }] }, { list: [1, { deep: null }] }],
])("%s has a JSON form", (_, value, json) => {
  expect(toJson(value)).toEqual(json);
});

test("an error inside is the answer", () => {
  expect(toJson({ list: [failure] })).toBe(failure);
});

test("JSON is what it was", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (json) => {
      const text = JSON.stringify(json);
      expect(JSON.stringify(toJson(JSON.parse(text)))).toBe(text);
    }),
  );
});

test("what would be exponentially long is refused", () => {
  let value: CelValue = 1;
  for (let depth = 0; depth < 60; depth++) value = [value, value];
  expect(toJson(value)).toMatchObject({ code: "CEL_COST_LIMIT" });
});
