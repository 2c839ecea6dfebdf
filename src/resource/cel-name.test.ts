import { expect, test } from "vitest";
import { celName } from "./cel-name.ts";

test.each([
  ["replicas", "replicas"],
  ["app.kubernetes.io/name", "app__dot__kubernetes__dot__io__slash__name"],
  ["x-y", "x__dash__y"],
  ["a__b", "a__underscores__b"],
  ["a___b", "a__underscores___b"],
  ["_a", "_a"],
  ["namespace", "__namespace__"],
  ["in", "__in__"],
  ["inner", "inner"],
  ["-a", "__dash__a"],
  ["$ref", undefined],
  ["1a", undefined],
  ["é", undefined],
  ["", undefined],
])("%s is %s in CEL", (field, expected) => {
  expect(celName(field)).toBe(expected);
});
