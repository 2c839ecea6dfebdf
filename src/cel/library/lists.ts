/** cel-go's list extensions (ext/lists.go, version 3). */
import type { CallCost, FunctionDeclaration, Library, Overload } from "../declaration.ts";
import { LIST_MACROS } from "../macro.ts";
import { costSize } from "../runtime/cost.ts";
import { equals } from "../runtime/equality.ts";
import type { Int } from "../runtime/int64.ts";
import { type MapKey, mapKey } from "../runtime/map.ts";
import { compare } from "../runtime/ordering.ts";
import { typeName, typeOf } from "../runtime/type-of.ts";
import { type CelType, DYN, INT, listType } from "../type.ts";
import type { CelValue } from "../value.ts";
import { listWork, scaled, TRAVERSAL_FACTOR, times, UNBOUNDED } from "./cost.ts";
import {
  anything,
  bool,
  bytes,
  declare,
  double,
  duration,
  dyn,
  fail,
  func,
  int,
  list,
  method,
  type Parameter,
  string,
  timestamp,
  uint,
} from "./define.ts";
import { listTooLong, MAX_COMPARISONS, MAX_LIST_LENGTH, tooManyComparisons } from "./size-limit.ts";

function slice(elements: readonly CelValue[], start: Int, end: Int): CelValue {
  const problem = sliceProblem(elements.length, start, end);
  return problem === undefined
    ? elements.slice(Number(start), Number(end))
    : fail(`cannot slice(${start}, ${end}): ${problem}`, "CEL_INDEX_OUT_OF_BOUNDS");
}

function sliceProblem(length: number, start: Int, end: Int): string | undefined {
  if (start < 0 || end < 0) return "an index is negative";
  if (start > end) return "the start is after the end";
  return end > length ? `the list has ${length} elements` : undefined;
}

function flatten(elements: readonly CelValue[], depth: number): CelValue {
  const flat: CelValue[] = [];
  // Lists count too: one that is empty may stand in another any number of times.
  let visited = 0;
  const visit = (element: CelValue, depthLeft: number): boolean => {
    if (++visited > MAX_LIST_LENGTH) return false;
    if (depthLeft >= 0 && Array.isArray(element)) return element.every((inner) => visit(inner, depthLeft - 1));
    flat.push(element);
    return true;
  };
  return visit(elements, depth) ? flat : listTooLong();
}

const flattenTo = (elements: readonly CelValue[], depth: Int): CelValue =>
  depth < 0 ? fail("the depth of flatten is negative") : flatten(elements, Number(depth));

function distinct(elements: readonly CelValue[]): CelValue {
  const keys = new Set<MapKey>();
  const found: CelValue[] = [];
  const others: CelValue[] = [];
  for (const element of elements) {
    // What may be a key of a map is equal to what has the same key; all else is looked for one by one.
    const key = mapKey(element);
    if (key === undefined ? others.some((other) => equals(element, other)) : keys.has(key)) continue;
    if (key !== undefined) keys.add(key);
    else if (others.push(element) ** 2 > MAX_COMPARISONS) return tooManyComparisons();
    found.push(element);
  }
  return found;
}

const lengthRange = (length: Int): CelValue =>
  length > MAX_LIST_LENGTH ? listTooLong() : Array.from({ length: Math.max(Number(length), 0) }, (_, index) => index);

/** The elements in the order of their keys, which are of one type; elements with equal keys stay in order. */
function sortByKeys(elements: readonly CelValue[], keys: readonly CelValue[]): CelValue {
  if (elements.length !== keys.length) return fail("sortBy: expected one key for each element");
  const [first = null] = keys;
  const keyType = typeName(typeOf(first));
  const wrong = keys.find((key) => typeName(typeOf(key)) !== keyType);
  if (wrong !== undefined) return fail(`cannot sort values of different types, ${keyType} and ${typeName(typeOf(wrong))}`);
  if (keys.length > 0 && compare(first, first) === undefined) return fail(`cannot sort values of type ${keyType}`);
  return elements
    .map((element, index) => ({ element, key: keys[index] ?? null }))
    .sort((a, b) => compare(a.key, b.key) || 0)
    .map(({ element }) => element);
}

const sort = (elements: readonly CelValue[]): CelValue => sortByKeys(elements, elements);

const outputCost: CallCost = listWork(
  (_, result) => costSize(result),
  ([size = UNBOUNDED]) => size,
);
/** Known only at run time. */
const rangeCost: CallCost = listWork(
  (_, result) => costSize(result),
  () => UNBOUNDED,
);
const flattenCost: CallCost = listWork(
  ([elements = null, depth = 1]) => costSize(elements) * Number(depth),
  ([size = UNBOUNDED]) => size,
);
/** Each element against each other one; strings and bytes are read too. */
const selfCompareCost = (index: number): CallCost =>
  listWork(
    (args) => {
      const keys = args[index] ?? null;
      const [first] = Array.isArray(keys) ? keys : [];
      const readsText = typeof first === "string" || first instanceof Uint8Array;
      return costSize(keys) ** 2 * (2 + (readsText ? TRAVERSAL_FACTOR : 0));
    },
    (sizes) => {
      const size = sizes[index] ?? UNBOUNDED;
      return scaled(times(size, size), 2 + TRAVERSAL_FACTOR);
    },
  );

const COMPARABLE: readonly (readonly [name: string, element: Parameter<CelValue>])[] = [
  ["int", int],
  ["uint", uint],
  ["double", double],
  ["bool", bool],
  ["google.protobuf.Duration", duration],
  ["google.protobuf.Timestamp", timestamp],
  ["string", string],
  ["bytes", bytes],
];

/** One overload for every type whose values have an order. */
const perComparable = (make: (name: string, element: Parameter<CelValue>) => Overload): readonly Overload[] =>
  COMPARABLE.map(([name, element]) => make(name, element));

const T: Parameter<CelValue> = anything("T");
const LIST_OF_T: CelType = listType(T.type);

const functions: readonly FunctionDeclaration[] = [
  declare(
    "slice",
    "The elements from one index up to, without, another.",
    method("list_slice", [list(T), int, int], LIST_OF_T, slice, outputCost),
  ),
  declare(
    "flatten",
    "The list with the elements of its lists in their place, one level deep or as deep as given.",
    method("list_flatten", [list(list(T))], LIST_OF_T, (elements) => flatten(elements, 1), flattenCost),
    // cel-go has no such overload: it lets a list whose first element is no list through at run time.
    method("list_flatten_mixed", [list(dyn)], listType(DYN), (elements) => flatten(elements, 1), flattenCost),
    method("list_flatten_int", [list(dyn), int], listType(DYN), flattenTo, flattenCost),
  ),
  declare(
    "sort",
    "The elements in ascending order; they must be of one type that has an order.",
    ...perComparable((name, element) => method(`list_${name}_sort`, [list(element)], listType(element.type), sort, selfCompareCost(0))),
  ),
  declare(
    "@sortByAssociatedKeys",
    "What the macro sortBy(x, key) makes: the elements in the order of a list of keys.",
    ...perComparable((name, key) =>
      method(`list_${name}_sortByAssociatedKeys`, [list(T), list(key)], LIST_OF_T, sortByKeys, selfCompareCost(1)),
    ),
  ),
  declare("lists.range", "The ints from 0 up to, without, a number.", func("lists_range", [int], listType(INT), lengthRange, rangeCost)),
  declare(
    "reverse",
    "The elements in reverse order.",
    method("list_reverse", [list(T)], LIST_OF_T, (elements) => elements.toReversed(), outputCost),
  ),
  declare(
    "distinct",
    "The elements without those that equal an earlier one.",
    method("list_distinct", [list(T)], LIST_OF_T, distinct, selfCompareCost(0)),
  ),
];

export const listsLibrary: Library = { name: "lists", functions, macros: LIST_MACROS };
