import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { jsonPatchLibrary } from "./jsonpatch.ts";

const evaluate = evaluatorOf({ libraries: [jsonPatchLibrary] });

test.each([
  ["k8s.io/my~label", "k8s.io~1my~0label"],
  ["~1", "~01"],
  ["", ""],
  ["plain", "plain"],
])("the key `%s` is escaped as `%s`", (key, escaped) => expect(evaluate(`jsonpatch.escapeKey('${key}')`).result).toBe(escaped));

test("escaping costs a reading of the key", () => expect(evaluate("jsonpatch.escapeKey('k8s.io/my~label')").cost).toBe(2));
