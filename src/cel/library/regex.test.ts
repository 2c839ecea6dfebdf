import { expect, test } from "vitest";
import { evaluatorOf } from "../../../test/evaluate-expression.ts";
import { optionalsLibrary } from "./optionals.ts";
import { regexLibrary } from "./regex.ts";

const evaluate = evaluatorOf({ libraries: [optionalsLibrary, regexLibrary] });

test.each([
  ["regex.replace('hello world hello', 'hello', 'hi')", "hi world hi"],
  ["regex.replace('banana', 'a', 'x', 0)", "banana"],
  ["regex.replace('banana', 'a', 'x', 2)", "bxnxna"],
  ["regex.replace('banana', 'a', 'x', -12)", "bxnxnx"],
  ["regex.replace('foo bar', '(fo)o (ba)r', r'\\2 \\1')", "ba fo"],
  ["regex.replace('abc', 'b', r'[\\0]')", "a[b]c"],
  ["regex.replace('ac', 'a(b)?c', r'[\\1]')", "[]"],
  ["regex.replace('foo', 'o', r'\\\\')", "f\\\\"],
  ["regex.replace('abc', '$', '_end')", "abc_end"],
  ["regex.replace('a-b', r'\\b', '|')", "|a|-|b|"],
  ["regex.replace('foo', 'fo', r'\\1')", "CEL_INVALID_ARGUMENT"],
  ["regex.replace('foo', 'fo', r'\\q')", "CEL_INVALID_ARGUMENT"],
  ["regex.replace('foo', 'fo', '\\\\')", "CEL_INVALID_ARGUMENT"],
  ["regex.replace('foo', 'x', r'\\9')", "foo"],
  ["regex.replace('foo', '(', '')", "CEL_INVALID_ARGUMENT"],
  ["regex.extract('item-A, item-B', r'item-(\\w+)').value()", "A"],
  ["regex.extract('HELLO', 'hello').hasValue()", false],
  ["regex.extract('testuser@testdomain', '(.*)@([^.]*)')", "CEL_INVALID_ARGUMENT"],
  ["regex.extract('ac', 'a(b)?c').hasValue()", false],
  ["regex.extract('abc', 'b').value()", "b"],
  ["regex.extractAll('id:123, id:456', r'id:(\\d+)')", ["123", "456"]],
  ["regex.extractAll('id:123, id:456', r'id:\\d+')", ["id:123", "id:456"]],
  ["regex.extractAll('acabc', 'a(b)?c')", ["b"]],
  ["regex.extractAll('abc', 'x')", []],
  ["regex.extractAll('ab', '(a)(b)')", "CEL_INVALID_ARGUMENT"],
])("%s is %j", (text, expected) => expect(evaluate(text).result).toEqual(expected));

test.each([
  ["regex.extract('hello', 'h(.*)')", 6],
  ["regex.extractAll('hello', 'l')", 14],
  ["regex.replace('hello', 'l', 'x')", 6],
])("%s costs %i", (text, cost) => expect(evaluate(text).cost).toBe(cost));
