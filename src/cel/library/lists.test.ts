import { expect, test } from "vitest";
import { evaluatorOf } from "../../../test/evaluate-expression.ts";
import type { CelValue } from "../value.ts";
import { listsLibrary } from "./lists.ts";

const evaluate = evaluatorOf({ libraries: [listsLibrary] });

test.each([
  ["[1, 2, 3, 4].slice(1, 3)", [2, 3]],
  ["[1, 2, 3, 4].slice(4, 4)", []],
  ["[1, 2].slice(-1, 1)", "CEL_INDEX_OUT_OF_BOUNDS"],
  ["[1, 2].slice(2, 1)", "CEL_INDEX_OUT_OF_BOUNDS"],
  ["[1, 2].slice(0, 3)", "CEL_INDEX_OUT_OF_BOUNDS"],
  ["[].flatten()", []],
  ["[[1], [2, [3]]].flatten() == [1, 2, [3]]", true],
  ["[1, [2, [3, [4]]]].flatten(2) == [1, 2, 3, [4]]", true],
  ["[1, [2]].flatten(0) == [1, [2]]", true],
  ["[1, [2, [3, 4]]].flatten() == [1, 2, [3, 4]]", true],
  ["[[[1]]].flatten(0) == [[[1]]]", true],
  ["dyn([1, 2]).flatten() == [1, 2]", true],
  ["[[1]].flatten(-1)", "CEL_INVALID_ARGUMENT"],
  ["[4, 3, 2, 1].sort()", [1, 2, 3, 4]],
  ["['d', 'a', '😀', '\\uffff'].sort()", ["a", "d", "\uffff", "😀"]],
  ["[true, false].sort()", [false, true]],
  ["[duration('2h'), duration('1s')].sort() == [duration('1s'), duration('2h')]", true],
  ["[].sort()", []],
  ["dyn([1, 'a']).sort()", "CEL_INVALID_ARGUMENT"],
  ["dyn([[1], [2]]).sort()", "CEL_NO_SUCH_OVERLOAD"],
  ["[{'n': 'b', 'v': 1}, {'n': 'a', 'v': 2}].sortBy(e, e.n).map(e, e.v)", [2, 1]],
  ["[-3, 1, -5, -2, 4].sortBy(e, -(e * e))", [-5, 4, -3, -2, 1]],
  ["['b', 'a', 'c'].map(e, e).sortBy(e, 0)", ["b", "a", "c"]],
  ["lists.range(4)", [0, 1, 2, 3]],
  ["lists.range(0)", []],
  ["lists.range(-1)", []],
  ["lists.range(1000001)", "CEL_COST_LIMIT"],
  ["[5, 3, 1].reverse()", [1, 3, 5]],
  ["[].reverse()", []],
  ["[-2, 5, -2, 1, 1, 5, -2, 1].distinct()", [-2, 5, 1]],
  ["['c', 'a', 'a', 'b', 'a'].distinct()", ["c", "a", "b"]],
  ["[1, 1.0, 1u, 2] == [1, 1.0, 1u, 2].distinct()", false],
  ["[1, 1.0, 1u, 2].distinct() == [1, 2]", true],
  ["[[1], [1], [2]].distinct()", [[1], [2]]],
  ["[{'a': 1}, {'a': 1.0}].distinct().size()", 1],
  ["[dyn(1.5), 1.5, 'a', 'a', null, null, true, 1].distinct() == [dyn(1.5), 'a', null, true, 1]", true],
  ["lists.range(500).distinct().size()", 500],
])("%s is %j", (text, expected) => expect(evaluate(text).result).toEqual(expected));

test("lists that would take too many comparisons are refused before, strings and numbers take none", () => {
  const call = listsLibrary.functions.find(({ name }) => name === "distinct")?.overloads[0]?.call;
  const lists = Array.from({ length: 4000 }, (_, index) => [index]);
  expect(call?.(lists)).toMatchObject({ code: "CEL_COST_LIMIT" });
  expect(call?.(lists.flat())).toHaveLength(4000);
});

// As cel-go's trackers give them; making the list costs 10.
test.each([
  ["[1, 2, 3, 4].slice(1, 3)", 10 + 13],
  ["[1, 2, 3].reverse()", 10 + 14],
  ["[1, 2, 3].sort()", 10 + 29],
  ["['a', 'b', 'c'].sort()", 10 + 29],
  ["['a', 'b', 'c', 'd', 'e'].distinct()", 10 + 63],
  ["lists.range(5)", 16],
])("%s costs %i", (text, cost) => expect(evaluate(text).cost).toBe(cost));

test.each<[CelValue]>([[1], [[]]])("what flattens to more than a million elements, lists included, is refused: %j", (leaf) => {
  const flatten = listsLibrary.functions.find(({ name }) => name === "flatten")?.overloads.find(({ args }) => args.length === 2)?.call;
  let doubled: CelValue = [leaf];
  for (let depth = 0; depth < 40; depth++) doubled = [doubled, doubled];
  expect(flatten?.(doubled, 50)).toMatchObject({ code: "CEL_COST_LIMIT" });
});
