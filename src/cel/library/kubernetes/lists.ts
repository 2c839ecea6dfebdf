/** Kubernetes' list functions (apiserver pkg/cel/library/lists.go), since Kubernetes 1.23. */
import type { CallCost, FunctionDeclaration, Library, Overload } from "../../declaration.ts";
import { asDouble, doubleOf } from "../../runtime/double.ts";
import { addDurations } from "../../runtime/duration.ts";
import { equals } from "../../runtime/equality.ts";
import { addInt } from "../../runtime/int64.ts";
import { compare } from "../../runtime/ordering.ts";
import { addUint } from "../../runtime/uint64.ts";
import { BOOL, DOUBLE, DURATION, INT, UINT } from "../../type.ts";
import { CelDuration, CelError, CelUint, type CelValue } from "../../value.ts";
import { deepTraversalCost, plus, range, scaled, TRAVERSAL_FACTOR, times, UNBOUNDED } from "../cost.ts";
import {
  anything,
  bool,
  bytes,
  declare,
  double,
  duration,
  fail,
  int,
  list,
  method,
  type Parameter,
  string,
  timestamp,
  uint,
} from "../define.ts";

type AnyParameter = Parameter<CelValue>;

const COMPARABLE: readonly (readonly [name: string, element: AnyParameter])[] = [
  ["int", int],
  ["uint", uint],
  ["double", double],
  ["bool", bool],
  ["duration", duration],
  ["timestamp", timestamp],
  ["string", string],
  ["bytes", bytes],
];

const cost: CallCost = {
  actual: ([elements = null]) => deepTraversalCost(elements),
  // One unit an element; texts are read too.
  estimate: ([size = UNBOUNDED], [element = UNBOUNDED]) => ({
    cost: times(size, element.max <= 1 ? range(1) : plus(range(1), scaled(element, TRAVERSAL_FACTOR))),
  }),
};

/** One overload for every type whose values have an order. */
const perComparable = (make: (name: string, element: AnyParameter) => Overload): readonly Overload[] =>
  COMPARABLE.map(([name, element]) => make(name, element));

const isAfter = (a: CelValue, b: CelValue): boolean => (compare(a, b) ?? 0) > 0;

const isSorted = (elements: readonly CelValue[]): boolean =>
  elements.every((element, index) => index === 0 || !isAfter(elements[index - 1] ?? null, element));

/** The first of the elements that no other one is better than. */
const best =
  (name: string, isBetter: (a: CelValue, b: CelValue) => boolean) =>
  (elements: readonly CelValue[]): CelValue => {
    const [first, ...others] = elements;
    if (first === undefined) return fail(`${name} of an empty list`);
    return others.reduce((found, element) => (isBetter(element, found) ? element : found), first);
  };

/** Adds up, until an addition fails. */
const sum =
  <V extends CelValue>(zero: V, add: (a: V, b: V) => V | CelError) =>
  (elements: readonly V[]): CelValue => {
    let total = zero;
    for (const element of elements) {
      const next = add(total, element);
      if (next instanceof CelError) return next;
      total = next;
    }
    return total;
  };

const T: AnyParameter = anything("A");

const functions: readonly FunctionDeclaration[] = [
  declare(
    "isSorted",
    "Whether no element of the list is greater than the one after it.",
    ...perComparable((name, element) => method(`list_${name}_is_sorted_bool`, [list(element)], BOOL, isSorted, cost)),
  ),
  declare(
    "sum",
    "The sum of the elements; zero of an empty list.",
    method("list_int_sum_int", [list(int)], INT, sum(0, addInt), cost),
    method("list_uint_sum_uint", [list(uint)], UINT, sum(new CelUint(0n), addUint), cost),
    method(
      "list_double_sum_double",
      [list(double)],
      DOUBLE,
      sum(doubleOf(0), (a, b) => doubleOf(asDouble(a) + asDouble(b))),
      cost,
    ),
    method("list_duration_sum_duration", [list(duration)], DURATION, sum(new CelDuration(0, 0), addDurations), cost),
  ),
  declare(
    "min",
    "The least element; an error of an empty list.",
    ...perComparable((name, element) =>
      method(
        `list_${name}_min_${name}`,
        [list(element)],
        element.type,
        best("min", (a, b) => isAfter(b, a)),
        cost,
      ),
    ),
  ),
  declare(
    "max",
    "The greatest element; an error of an empty list.",
    ...perComparable((name, element) => method(`list_${name}_max_${name}`, [list(element)], element.type, best("max", isAfter), cost)),
  ),
  declare(
    "indexOf",
    "The index of the first element that equals a value, or -1.",
    method("list_a_index_of_int", [list(T), T], INT, (elements, value) => elements.findIndex((element) => equals(element, value)), cost),
  ),
  declare(
    "lastIndexOf",
    "The index of the last element that equals a value, or -1.",
    method(
      "list_a_last_index_of_int",
      [list(T), T],
      INT,
      (elements, value) => elements.findLastIndex((element) => equals(element, value)),
      cost,
    ),
  ),
];

export const kubernetesListsLibrary: Library = { name: "kubernetes.lists", functions };
