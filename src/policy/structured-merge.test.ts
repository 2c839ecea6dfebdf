import { expect, test } from "vitest";
import type { JsonObject } from "../lib/json.ts";
import type { Schema } from "../resource/schema.ts";
import { structuredMerge } from "./structured-merge.ts";

const text: Schema = { type: "string" };
const port: Schema = {
  type: "object",
  properties: new Map([
    ["containerPort", { type: "integer" }],
    ["protocol", { type: "string", default: "TCP" }],
    ["name", text],
  ]),
};
const container: Schema = {
  type: "object",
  properties: new Map<string, Schema>([
    ["name", text],
    ["image", text],
    ["args", { type: "array", items: text }],
    ["ports", { type: "array", listType: "map", listMapKeys: ["containerPort", "protocol"], items: port }],
  ]),
};
const pod: Schema = {
  type: "object",
  properties: new Map<string, Schema>([
    ["labels", { type: "object", additionalProperties: text }],
    ["finalizers", { type: "array", listType: "set", items: text }],
    ["nodeSelector", { type: "object", mapType: "atomic", additionalProperties: text }],
    ["containers", { type: "array", listType: "map", listMapKeys: ["name"], items: container }],
    ["target", { type: "any", intOrString: true }],
  ]),
};

interface Case {
  readonly name: string;
  readonly live: JsonObject;
  readonly patch: JsonObject;
  readonly result: JsonObject;
}

test.each<Case>([
  {
    name: "maps by key",
    live: { labels: { a: "1", b: "2" } },
    patch: { labels: { b: "3", c: "4" } },
    result: { labels: { a: "1", b: "3", c: "4" } },
  },
  {
    name: "lists of objects by their key",
    live: { containers: [{ name: "a", image: "x" }, { name: "b" }] },
    patch: { containers: [{ name: "b", image: "y" }, { name: "c" }] },
    result: { containers: [{ name: "a", image: "x" }, { name: "b", image: "y" }, { name: "c" }] },
  },
  {
    name: "keys by their default",
    live: { containers: [{ name: "a", ports: [{ containerPort: 80 }] }] },
    patch: { containers: [{ name: "a", ports: [{ containerPort: 80, protocol: "TCP", name: "http" }] }] },
    result: { containers: [{ name: "a", ports: [{ containerPort: 80, protocol: "TCP", name: "http" }] }] },
  },
  { name: "sets", live: { finalizers: ["a", "b"] }, patch: { finalizers: ["c", "a"] }, result: { finalizers: ["c", "a", "b"] } },
  {
    name: "the order of the patch wins",
    live: { finalizers: ["a", "b", "c"] },
    patch: { finalizers: ["c", "a"] },
    result: { finalizers: ["b", "c", "a"] },
  },
  {
    name: "new items after what stood before",
    live: { finalizers: ["a", "b"] },
    patch: { finalizers: ["x", "b"] },
    result: { finalizers: ["a", "x", "b"] },
  },
  {
    name: "null means no opinion on what has content",
    live: { labels: { a: "1" } },
    patch: { labels: null },
    result: { labels: { a: "1" } },
  },
  { name: "an empty map changes nothing", live: { labels: { a: "1" } }, patch: { labels: {} }, result: { labels: { a: "1" } } },
  { name: "what was missing", live: {}, patch: { labels: {}, target: "50%" }, result: { labels: {}, target: "50%" } },
])("a patch is merged into a live object: $name", ({ live, patch, result }) => {
  expect(structuredMerge(live, patch, pod)).toStrictEqual({ ok: true, value: result });
});

test.each<{ name: string; patch: JsonObject; code: string; path: string }>([
  { name: "an atomic list", patch: { containers: [{ name: "a", args: ["x"] }] }, code: "MERGE_ATOMIC", path: ".containers[0].args" },
  { name: "an atomic map", patch: { nodeSelector: { a: "b" } }, code: "MERGE_ATOMIC", path: ".nodeSelector" },
  { name: "an undeclared field", patch: { containers: [{ name: "a", imag: "x" }] }, code: "MERGE_INVALID", path: ".containers[0].imag" },
  { name: "another type", patch: { labels: { a: 1 } }, code: "MERGE_INVALID", path: ".labels.a" },
  { name: "an item without its key", patch: { containers: [{ image: "x" }] }, code: "MERGE_INVALID", path: ".containers[0]" },
  { name: "one key twice", patch: { finalizers: ["a", "a"] }, code: "MERGE_INVALID", path: ".finalizers" },
])("a patch that the schema does not allow is refused: $name", ({ patch, code, path }) => {
  const merged = structuredMerge({}, patch, pod);
  expect(merged).toMatchObject({ ok: false, error: { code } });
  expect(merged.ok ? "" : merged.error.message).toContain(`\`${path}\``);
});

test("an atomic value is replaced as a whole where that is allowed", () => {
  const live = { nodeSelector: { a: "1" }, containers: [{ name: "a", args: ["x"] }] };
  const patch = { nodeSelector: { b: "2" }, containers: [{ name: "a", args: ["y"] }] };
  expect(structuredMerge(live, patch, pod, { replacesAtomics: true })).toStrictEqual({ ok: true, value: patch });
});

test("without a schema objects are merged by key and lists are refused", () => {
  expect(structuredMerge({ spec: { a: 1, b: 2 } }, { spec: { b: 3 } }, undefined)).toStrictEqual({
    ok: true,
    value: { spec: { a: 1, b: 3 } },
  });
  expect(structuredMerge({}, { spec: [1] }, undefined)).toMatchObject({ ok: false, error: { code: "MERGE_ATOMIC" } });
});
