/**
 * What operations cost at run time, in Kubernetes' units: the numbers of cel-go (interpreter/runtimecost.go), with one
 * simplification: strings count in UTF-16 units, so that a character beyond the BMP counts twice.
 */
import { CelMap, CelOptional, type CelValue } from "../value.ts";
import { isPlainMap, mapSize } from "./map.ts";

const TRAVERSAL_FACTOR = 0.1;
const REGEX_FACTOR = 0.25;

export const LIST_COST = 10;
export const MAP_COST = 30;
export const STRUCT_COST = 40;

/** Units of a string or bytes, elements, entries; 1 for all that has no size. */
export function costSize(value: CelValue): number {
  if (typeof value === "string" || Array.isArray(value) || value instanceof Uint8Array) return value.length;
  if (typeof value !== "object" || value === null) return 1;
  if (value instanceof CelOptional) return value.hasValue ? costSize(value.value) : 1;
  return value instanceof CelMap || isPlainMap(value) ? mapSize(value) : 1;
}

/** `startsWith`, `endsWith`, conversions between string and bytes: all of the first argument. */
export const traversalCost = (value: CelValue): number => Math.ceil(costSize(value) * TRAVERSAL_FACTOR);

/** `==`, `!=` and the order of strings and bytes: the shorter operand. */
export const comparisonCost = (a: CelValue, b: CelValue): number => Math.ceil(Math.min(costSize(a), costSize(b)) * TRAVERSAL_FACTOR);

/** `+` of strings and bytes: both operands. */
export const concatenationCost = (a: CelValue, b: CelValue): number => Math.ceil((costSize(a) + costSize(b)) * TRAVERSAL_FACTOR);

/** `contains`: one operand times the other. */
export const searchCost = (a: CelValue, b: CelValue): number => traversalCost(a) * traversalCost(b);

/** `matches`: the text, which counts even when it is empty, times the pattern. */
export const matchCost = (text: CelValue, pattern: CelValue): number =>
  Math.ceil((1 + costSize(text)) * TRAVERSAL_FACTOR) * Math.ceil(costSize(pattern) * REGEX_FACTOR);

const CHEAP_CONCATENATION = 1000;

/** `+` of lists: 1 as in cel-go, which makes a view; we copy, so long lists cost what strings do. */
export function listConcatenationCost(a: readonly CelValue[], b: readonly CelValue[]): number {
  const length = a.length + b.length;
  return length <= CHEAP_CONCATENATION ? 1 : Math.ceil(length * TRAVERSAL_FACTOR);
}
