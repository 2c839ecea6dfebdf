import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { transformLibrary } from "./transform.ts";

const evaluate = evaluatorOf({ libraries: [transformLibrary] });

test.each([
  ["listObjToMap([{'k': 'a'}, {'k': 'b'}], [{'v': 1}, {'v': 2}], 'k', 'v') == {'a': 1, 'b': 2}", true],
  ["transform.listObjToMap([{'k': 'a'}], [{'w': 1}], 'k', 'v') == {'a': null}", true],
  ["listObjToMap([{'k': '__proto__'}], [{'v': 1}], 'k', 'v')['__proto__']", 1],
  ["listObjToMap([], [], 'k', 'v') == {}", true],
  ["listObjToMap([{'k': 'a'}], [], 'k', 'v')", "CEL_INVALID_ARGUMENT"],
  ["listObjToMap([{'k': 1}], [{'v': 1}], 'k', 'v')", "CEL_INVALID_ARGUMENT"],
  ["listObjToMap([1], [{'v': 1}], 'k', 'v')", "CEL_INVALID_ARGUMENT"],
])("%s is %j", (text, expected) => expect(evaluate(text).result).toEqual(expected));
