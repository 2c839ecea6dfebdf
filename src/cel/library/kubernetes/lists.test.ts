import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { CelDouble, CelDuration, CelUint } from "../../value.ts";
import { kubernetesListsLibrary } from "./lists.ts";

const evaluate = evaluatorOf({ libraries: [kubernetesListsLibrary] });

test.each([
  ["[].isSorted() && [1].isSorted() && [1, 1, 2].isSorted() && ['a', 'b'].isSorted() && [false, true].isSorted()", true],
  ["[2, 1].isSorted() || ['b', 'a'].isSorted() || [b'b', b'a'].isSorted() || [2.5, 1.0].isSorted()", false],
  [
    "[duration('1s'), duration('1h')].isSorted() && [timestamp('2020-01-01T00:00:00Z'), timestamp('2021-01-01T00:00:00Z')].isSorted()",
    true,
  ],
  ["[1, 3].sum()", 4],
  ["[1.0, 3.0].sum()", new CelDouble(4)],
  ["[1u, 3u].sum()", new CelUint(4n)],
  ["[duration('1m'), duration('1s')].sum()", new CelDuration(61, 0)],
  ["[1].filter(x, false).sum()", 0],
  ["[9223372036854775807, 1].sum()", "CEL_OVERFLOW"],
  ["[18446744073709551615u, 1u].sum()", "CEL_OVERFLOW"],
  ["['a'].sum()", "CEL_NO_MATCHING_OVERLOAD"],
  ["[1, 3, 2].max()", 3],
  ["[1, 3, 2].min()", 1],
  ["['b', 'a', 'c'].max()", "c"],
  ["[true, false].min()", false],
  ["[].min()", "CEL_INVALID_ARGUMENT"],
  ["[].max()", "CEL_INVALID_ARGUMENT"],
  ["[1, 2, 2, 3].indexOf(2)", 1],
  ["['a', 'b', 'b', 'c'].lastIndexOf('b')", 2],
  ["[1, 2].indexOf(5)", -1],
  ["[1, 2].lastIndexOf(5)", -1],
  ["[[1], [2]].indexOf([2])", 1],
])("%s is %s", (text, expected) => expect(evaluate(text).result).toEqual(expected));

// As apiserver's cost estimator gives them; making the list costs 10.
test.each([
  ["[1, 2, 3].sum()", 13],
  ["['aaaaaaaaaa', 'bbbbbbbbbb'].isSorted()", 12],
  ["['a', 'b'].max()", 10],
  ["[1, 2, 3].indexOf(3)", 13],
])("%s costs %i", (text, cost) => expect(evaluate(text).cost).toBe(cost));
