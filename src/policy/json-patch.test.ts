import { expect, test } from "vitest";
import type { JsonValue } from "../lib/json.ts";
import type { JsonPatchOperation } from "./decision.ts";
import { applyPatch } from "./json-patch.ts";

interface Case {
  readonly name: string;
  readonly document: JsonValue;
  readonly patch: readonly JsonPatchOperation[];
  readonly result?: JsonValue;
  readonly error?: string;
}

test.each<Case>([
  { name: "add a member", document: { foo: "bar" }, patch: [{ op: "add", path: "/baz", value: 1 }], result: { foo: "bar", baz: 1 } },
  { name: "add an element", document: ["a", "c"], patch: [{ op: "add", path: "/1", value: "b" }], result: ["a", "b", "c"] },
  { name: "append an element", document: ["a"], patch: [{ op: "add", path: "/-", value: "b" }], result: ["a", "b"] },
  { name: "add null", document: {}, patch: [{ op: "add", path: "/a", value: null }], result: { a: null } },
  { name: "replace the document", document: {}, patch: [{ op: "replace", path: "", value: [1] }], result: [1] },
  { name: "remove an element", document: [1, 2, 3], patch: [{ op: "remove", path: "/1" }], result: [1, 3] },
  {
    name: "move a member",
    document: { a: { b: 1 }, c: {} },
    patch: [{ op: "move", from: "/a/b", path: "/c/d" }],
    result: { a: {}, c: { d: 1 } },
  },
  { name: "copy a member", document: { a: [1] }, patch: [{ op: "copy", from: "/a", path: "/b" }], result: { a: [1], b: [1] } },
  {
    name: "test whatever the order of members",
    document: { a: { x: 1, y: 2 } },
    patch: [{ op: "test", path: "/a", value: { y: 2, x: 1 } }],
    result: { a: { x: 1, y: 2 } },
  },
  {
    name: "escaped segments",
    document: { "a/b": { "c~d": 1 } },
    patch: [{ op: "replace", path: "/a~1b/c~0d", value: 2 }],
    result: { "a/b": { "c~d": 2 } },
  },
  { name: "a failed test", document: { a: 1 }, patch: [{ op: "test", path: "/a", value: 2 }], error: "PATCH_TEST_FAILED" },
  { name: "a test of nothing", document: {}, patch: [{ op: "test", path: "/a", value: null }], error: "PATCH_TEST_FAILED" },
  { name: "add below a missing parent", document: {}, patch: [{ op: "add", path: "/a/b", value: 1 }], error: "PATCH_PATH_NOT_FOUND" },
  { name: "replace what is missing", document: {}, patch: [{ op: "replace", path: "/a", value: 1 }], error: "PATCH_PATH_NOT_FOUND" },
  { name: "remove what is missing", document: {}, patch: [{ op: "remove", path: "/a" }], error: "PATCH_PATH_NOT_FOUND" },
  { name: "an index beyond the end", document: [1], patch: [{ op: "add", path: "/2", value: 1 }], error: "PATCH_PATH_NOT_FOUND" },
  { name: "an index with a leading zero", document: [1, 2], patch: [{ op: "remove", path: "/01" }], error: "PATCH_PATH_NOT_FOUND" },
  {
    name: "a member of the prototype",
    document: {},
    patch: [{ op: "copy", from: "/toString", path: "/a" }],
    error: "PATCH_PATH_NOT_FOUND",
  },
  { name: "a path that is no pointer", document: {}, patch: [{ op: "add", path: "a", value: 1 }], error: "PATCH_INVALID" },
  {
    name: "a key that reaches the prototype",
    document: {},
    patch: [{ op: "add", path: "/__proto__/x", value: 1 }],
    error: "PATCH_INVALID",
  },
  { name: "an operation without its value", document: {}, patch: [{ op: "add", path: "/a" }], error: "PATCH_INVALID" },
  { name: "a move into itself", document: { a: {} }, patch: [{ op: "move", from: "/a", path: "/a/b" }], error: "PATCH_INVALID" },
])("a patch does what RFC 6902 says: $name", ({ document, patch, result, error }) => {
  const before = JSON.stringify(document);
  const applied = applyPatch(document, patch);
  if (error === undefined) expect(applied).toStrictEqual({ ok: true, value: result });
  else expect(applied).toMatchObject({ ok: false, error: { code: error, index: 0 } });
  expect(JSON.stringify(document)).toBe(before);
});

test("a value copied into itself again and again is refused before it fills the memory", () => {
  const operations = Array.from({ length: 60 }, (_, index) => ({ op: "copy", from: "/a", path: `/a/k${index}` }) as const);
  expect(applyPatch({ a: { x: 1 } }, operations)).toMatchObject({ ok: false, error: { code: "PATCH_INVALID" } });
});
