/** cel-go's set functions over lists (ext/sets.go). */
import type { CallCost, Library } from "../declaration.ts";
import { contains } from "../runtime/collection.ts";
import { costSize } from "../runtime/cost.ts";
import { BOOL } from "../type.ts";
import type { CelValue } from "../value.ts";
import { plus, range, scaled, times, UNBOUNDED } from "./cost.ts";
import { anything, declare, func, list, type Parameter } from "./define.ts";
import { MAX_COMPARISONS, tooManyComparisons } from "./size-limit.ts";

const elements: Parameter<readonly CelValue[]> = list(anything("T"));

const isIn = (set: readonly CelValue[], element: CelValue): boolean => contains(set, element) === true;
const containsAll = (set: readonly CelValue[], subset: readonly CelValue[]): boolean => subset.every((element) => isIn(set, element));

/** Refuses lists that would take too many comparisons. */
const limited =
  (compare: (a: readonly CelValue[], b: readonly CelValue[]) => boolean) =>
  (a: readonly CelValue[], b: readonly CelValue[]): CelValue =>
    a.length * b.length > MAX_COMPARISONS ? tooManyComparisons() : compare(a, b);

/** Each element of one list against each of the other, `rounds` times. */
const pairs = (rounds: number): CallCost => ({
  actual: ([a = null, b = null]) => 1 + costSize(a) * costSize(b) * rounds,
  estimate: ([a = UNBOUNDED, b = UNBOUNDED]) => ({ cost: plus(scaled(times(a, b), rounds), range(1)) }),
});

export const setsLibrary: Library = {
  name: "sets",
  functions: [
    declare(
      "sets.contains",
      "Whether the first list has all elements of the second.",
      func("list_sets_contains_list", [elements, elements], BOOL, limited(containsAll), pairs(1)),
    ),
    declare(
      "sets.equivalent",
      "Whether each list has all elements of the other.",
      func(
        "list_sets_equivalent_list",
        [elements, elements],
        BOOL,
        limited((a, b) => containsAll(a, b) && containsAll(b, a)),
        pairs(2),
      ),
    ),
    declare(
      "sets.intersects",
      "Whether the lists have an element in common.",
      func(
        "list_sets_intersects_list",
        [elements, elements],
        BOOL,
        limited((a, b) => a.some((element) => isIn(b, element))),
        pairs(1),
      ),
    ),
  ],
};
