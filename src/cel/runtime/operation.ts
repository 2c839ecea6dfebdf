/**
 * Operators as both back ends perform them when the fast way does not apply: errors of operands pass through, the left
 * one first; an error made here carries the position.
 */
import type { Overload } from "../declaration.ts";
import type { Frame } from "../frame.ts";
import { CelError, type CelValue } from "../value.ts";
import { contains, iterable, sizeOf } from "./collection.ts";
import { concatenationCost, listConcatenationCost } from "./cost.ts";
import { findOverload } from "./dispatch.ts";
import { doubleOf } from "./double.ts";
import { equals } from "./equality.ts";
import { costLimitExceeded, noSuchOverload, notBool } from "./failure.ts";
import { isMap, MapBuilder, mapKeys, mapValue } from "./map.ts";
import { matchesPattern } from "./match.ts";
import { isGreater, isGreaterOrEqual, isLess, isLessOrEqual } from "./ordering.ts";
import { at } from "./position.ts";

export type Outcome = boolean | CelError;

/** Ends an evaluation that cost more than the frame allows. */
export const overLimit = (frame: Frame): CelError => costLimitExceeded(frame.costLimit);

/** The error of an operand that had to be a bool: its own, or that it is none. */
export const boolError = (value: CelValue, start: number, end: number): CelError =>
  value instanceof CelError ? value : new CelError("CEL_NOT_BOOL", notBool(value).message, start, end);

export const not = (value: CelValue, start: number, end: number): Outcome =>
  typeof value === "boolean" ? !value : boolError(value, start, end);

export function equal(a: CelValue, b: CelValue): Outcome {
  if (a instanceof CelError) return a;
  return b instanceof CelError ? b : equals(a, b);
}

export function notEqual(a: CelValue, b: CelValue): Outcome {
  if (a instanceof CelError) return a;
  return b instanceof CelError ? b : !equals(a, b);
}

export const less = (a: CelValue, b: CelValue, start: number, end: number): Outcome => at(isLess(a, b), start, end);
export const lessOrEqual = (a: CelValue, b: CelValue, start: number, end: number): Outcome => at(isLessOrEqual(a, b), start, end);
export const greater = (a: CelValue, b: CelValue, start: number, end: number): Outcome => at(isGreater(a, b), start, end);
export const greaterOrEqual = (a: CelValue, b: CelValue, start: number, end: number): Outcome => at(isGreaterOrEqual(a, b), start, end);

/** Cost of `a + b` where the static types do not tell it. */
export function additionCost(a: CelValue, b: CelValue): number {
  if (typeof a === "string" || a instanceof Uint8Array) return concatenationCost(a, b);
  return Array.isArray(a) && Array.isArray(b) ? listConcatenationCost(a, b) : 1;
}

/** Any binary arithmetic operator by its overloads. */
export function arithmetic(
  frame: Frame,
  fn: string,
  overloads: readonly Overload[],
  a: CelValue,
  b: CelValue,
  start: number,
  end: number,
): CelValue {
  if (a instanceof CelError) return a;
  if (b instanceof CelError) return b;
  // What joins strings or lists must stop when it has made too much: repeated doubling is exponential.
  if (frame.cost > frame.costLimit) return overLimit(frame);
  if (fn === "_+_" && typeof a === "string" && typeof b === "string") return a + b;
  const overload = findOverload(overloads, [a, b]);
  return at(overload === undefined ? noSuchOverload(fn, [a, b]) : overload.call(a, b), start, end);
}

export const isIn = (element: CelValue, container: CelValue, start: number, end: number): Outcome =>
  at(contains(container, element), start, end);

/** Cost of `element in container` where the static types do not tell it. */
export const membershipCost = (container: CelValue): number => (Array.isArray(container) ? container.length : 1);

export const size = (value: CelValue, start: number, end: number): CelValue => at(sizeOf(value), start, end);

/** What `startsWith`, `endsWith` and `contains` come to when an operand is no string. */
export function textError(fn: string, text: CelValue, part: CelValue, start: number, end: number): CelError {
  if (text instanceof CelError) return text;
  return part instanceof CelError ? part : new CelError("CEL_NO_SUCH_OVERLOAD", noSuchOverload(fn, [text, part]).message, start, end);
}

/** `text.matches(pattern)` with a pattern that is not known before. */
export const matches = (text: CelValue, pattern: CelValue, start: number, end: number): Outcome =>
  typeof text === "string" && typeof pattern === "string"
    ? at(matchesPattern(text, pattern), start, end)
    : textError("matches", text, pattern, start, end);

/** A double where the declared type says so: an integral JSON number becomes one. */
export const toDouble = (value: CelValue): CelValue => (typeof value === "number" ? doubleOf(value) : value);

/** What a comprehension over one variable walks over. */
export const elements = (range: CelValue, start: number, end: number): readonly CelValue[] | CelError => at(iterable(range), start, end);

/** The values that go with what `elements` gives, for two variables: the elements of a list, the values of a map. */
export function values(range: CelValue, keys: readonly CelValue[]): readonly CelValue[] {
  if (Array.isArray(range)) return range;
  return isMap(range) ? keys.map((key) => mapValue(range, key)) : [];
}

/** A list of elements of which some are optional, errors checked from left to right. */
export function list(elementsOrPresences: readonly (CelValue | undefined)[]): CelValue {
  const result: CelValue[] = [];
  for (const element of elementsOrPresences) {
    if (element instanceof CelError) return element;
    if (element !== undefined) result.push(element);
  }
  return result;
}

/** A map of keys and values in turn; a value that is undefined is an optional one that is absent. */
export function map(keysAndValues: readonly (CelValue | undefined)[], start: number, end: number): CelValue {
  const builder = new MapBuilder();
  for (let index = 0; index < keysAndValues.length; index += 2) {
    const key = keysAndValues[index];
    const value = keysAndValues[index + 1];
    if (key instanceof CelError) return key;
    if (value instanceof CelError) return value;
    if (key === undefined || value === undefined) continue;
    const failure = builder.add(key, value);
    if (failure !== undefined) return at(failure, start, end);
  }
  return builder.build();
}

/** Adds what `transformMap` made of one element. */
export const addTransformed = (builder: MapBuilder, key: CelValue, value: CelValue): CelError | undefined =>
  value instanceof CelError ? value : builder.add(key, value);

/** Adds what `transformMapEntry` made of one element. */
export function addEntry(builder: MapBuilder, entry: CelValue): CelError | undefined {
  if (entry instanceof CelError) return entry;
  if (!isMap(entry)) return noSuchOverload("transformMapEntry", [entry]);
  for (const key of mapKeys(entry)) {
    const failure = builder.add(key, mapValue(entry, key));
    if (failure !== undefined) return failure;
  }
  return undefined;
}
