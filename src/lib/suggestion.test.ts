import { expect, test } from "vitest";
import { closestName } from "./suggestion.ts";

test.each([
  ["replicaz", ["replicas", "selector"], "replicas"],
  ["repilcas", ["replicas", "selector"], "replicas"],
  ["startswith", ["startsWith", "endsWith"], "startsWith"],
  ["objct", ["object", "oldObject"], "object"],
  ["x", ["y", "z"], undefined],
  ["xy", ["ab"], undefined],
  ["completely", ["different"], undefined],
  ["same", ["same"], undefined],
  ["ac", ["ab", "ad"], "ab"],
])("%s among %j is probably %s", (name, candidates, expected) => {
  expect(closestName(name, candidates)).toBe(expected);
});

test("a name too long to be a slip has no suggestion", () => {
  expect(closestName("a".repeat(1000), ["a".repeat(999)])).toBeUndefined();
});
