import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { kubernetesRegexLibrary } from "./regex.ts";

const evaluate = evaluatorOf({ libraries: [kubernetesRegexLibrary] });

test.each([
  ["'abc 123'.find('[0-9]+')", "123"],
  ["'xyz'.find('[0-9]+')", ""],
  ["'abc 123'.find('([a-z]+) ')", "abc "],
  ["'123 abc 456'.findAll('[0-9]+')", ["123", "456"]],
  ["'123 abc 456'.findAll('[0-9]+', 1)", ["123"]],
  ["'123 abc 456'.findAll('[0-9]+', -1)", ["123", "456"]],
  ["'123 abc 456'.findAll('[0-9]+', 0)", []],
  ["'xyz'.findAll('[0-9]+')", []],
  ["'a😀b'.findAll('.')", ["a", "😀", "b"]],
  ["'abc'.findAll('')", ["", "", "", ""]],
  ["'abc'.find('(')", "CEL_INVALID_ARGUMENT"],
  ["'abc'.findAll('(?=a)')", "CEL_INVALID_ARGUMENT"],
])("%s is %j", (text, expected) => expect(evaluate(text).result).toEqual(expected));

test.each([
  ["'abc 123 def 123'.find('123')", 2],
  ["'abc 123 def 123'.findAll('[0-9]+')", 4],
])("%s costs %i", (text, cost) => expect(evaluate(text).cost).toBe(cost));
