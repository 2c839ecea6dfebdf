import fc from "fast-check";
import { expect, test } from "vitest";
import type { JsonValue } from "../lib/json.ts";
import { diff } from "./json-diff.ts";
import { applyPatch } from "./json-patch.ts";

const json = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)) as JsonValue);
const withoutProto = (value: JsonValue): boolean => !JSON.stringify(value).includes("__proto__");

test("applying the difference of two values to the first gives the second", () => {
  fc.assert(
    fc.property(json.filter(withoutProto), json.filter(withoutProto), (from, to) => {
      const patched = applyPatch(from, diff(from, to));
      expect(patched).toStrictEqual({ ok: true, value: to });
    }),
    { numRuns: 500 },
  );
});

test("values that are equal differ in nothing", () => {
  fc.assert(
    fc.property(json, (value) => {
      expect(diff(value, structuredClone(value))).toStrictEqual([]);
    }),
  );
});

test.each<{ name: string; from: JsonValue; to: JsonValue; operations: readonly unknown[] }>([
  { name: "an insertion at the head of an array", from: [1, 2], to: [0, 1, 2], operations: [{ op: "add", path: "/0", value: 0 }] },
  { name: "a removal in the middle", from: [1, 2, 3], to: [1, 3], operations: [{ op: "remove", path: "/1" }] },
  { name: "a member of an element", from: [{ a: 1, b: 2 }], to: [{ a: 1, b: 3 }], operations: [{ op: "replace", path: "/0/b", value: 3 }] },
  { name: "a key that needs escaping", from: {}, to: { "a/b~c": 1 }, operations: [{ op: "add", path: "/a~1b~0c", value: 1 }] },
  { name: "another type", from: { a: [] }, to: { a: {} }, operations: [{ op: "replace", path: "/a", value: {} }] },
  { name: "null against nothing", from: { a: null }, to: {}, operations: [{ op: "remove", path: "/a" }] },
])("the difference names only what changed: $name", ({ from, to, operations }) => {
  expect(diff(from, to)).toStrictEqual(operations);
});
