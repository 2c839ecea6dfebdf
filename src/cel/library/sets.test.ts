import { expect, test } from "vitest";
import { evaluatorOf } from "../../../test/evaluate-expression.ts";
import { INT, listType } from "../type.ts";
import { setsLibrary } from "./sets.ts";

const numbers = Array.from({ length: 4000 }, (_, index) => index);
const evaluate = evaluatorOf({ libraries: [setsLibrary], variables: { numbers: listType(INT) } }, { numbers });

test.each([
  ["sets.contains([], [])", true],
  ["sets.contains([1], [])", true],
  ["sets.contains([], [1])", false],
  ["sets.contains([1, 1], [1])", true],
  ["sets.contains([dyn(1)], [dyn(1.0), dyn(1u)])", true],
  ["sets.contains([[1], [2, 3]], [[2, 3.0]])", true],
  ["sets.contains([1, 2], [2, 3])", false],
  ["sets.equivalent([], [])", true],
  ["sets.equivalent([1], [1, 1])", true],
  ["sets.equivalent([1, 2, 3], [dyn(3u), dyn(2.0), dyn(1)])", true],
  ["sets.equivalent([1, 2], [1])", false],
  ["sets.equivalent([1], [1, 2])", false],
  ["sets.intersects([], [])", false],
  ["sets.intersects([1], [1, 2])", true],
  ["sets.intersects([[1], [2, 3]], [[1, 2], [2, 3.0]])", true],
  ["sets.intersects(['a'], ['b'])", false],
  ["sets.contains(numbers, [3999])", true],
  ["sets.contains(numbers, numbers)", "CEL_COST_LIMIT"],
  ["sets.equivalent(numbers, numbers)", "CEL_COST_LIMIT"],
  ["sets.intersects(numbers, numbers)", "CEL_COST_LIMIT"],
])("%s is %j", (text, expected) => expect(evaluate(text).result).toBe(expected));

test.each([
  ["sets.contains([1, 2], [1])", 20 + 3],
  ["sets.equivalent([1, 2], [1, 2])", 20 + 9],
  ["sets.intersects([], [1])", 20 + 1],
])("%s costs %i", (text, cost) => expect(evaluate(text).cost).toBe(cost));
