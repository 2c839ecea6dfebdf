import { expect, test } from "vitest";
import { search } from "./global-context-entry.ts";

const ROOT = { items: [{ name: "a", tags: ["x"] }, { name: "b" }], "a.b": { c: 1 } };

test.each([
  ["@", ROOT],
  ["items", ROOT.items],
  ["items[0].name", "a"],
  ["items[-1].name", "b"],
  ["items[*].name", ["a", "b"]],
  ["items[].tags", [["x"]]],
  ["length(items)", 2],
  ["items | length(@)", 2],
  ['"a.b".c', 1],
  ["nothing.at.all", null],
  ["items[9]", null],
])("%s finds what JMESPath finds", (path, value) => {
  expect(search(path, ROOT)).toEqual({ ok: true, value });
});

test.each(["items[?name=='a']", "sort(items)", "items[", "a b"])("%s is not supported, and says so", (path) => {
  expect(search(path, ROOT)).toMatchObject({ ok: false });
});
