import { CelDouble, CelDuration, CelMap, CelOpaque, CelOptional, CelTimestamp, CelTypeValue, CelUint, type CelValue } from "../value.ts";
import { isPlainMap, mapGet, mapKeys, mapSize, mapValue } from "./map.ts";
import { typeName } from "./type-of.ts";

/**
 * Equality of CEL: numbers by their mathematical value across int, uint and double, NaN equal to nothing, everything else
 * only within its type; values of different types are unequal. Not defined for errors, which operators handle first.
 */
export const equals = (a: CelValue, b: CelValue): boolean => equalsWithin(a, b, undefined);

/** `comparison` is the one that this is a part of; undefined at its beginning. */
function equalsWithin(a: CelValue, b: CelValue, comparison: Comparison | undefined): boolean {
  switch (typeof a) {
    case "string":
    case "boolean":
      return a === b;
    case "number":
      return typeof b === "number" ? a === b : numericEquals(a, b);
    case "bigint":
      return typeof b === "bigint" ? a === b : numericEquals(a, b);
    default:
      if (a === null || b === null) return a === b;
      return a instanceof CelDouble || a instanceof CelUint ? numericEquals(a, b) : typeof b === "object" && objectEquals(a, b, comparison);
  }
}

/** Pairs of lists and maps that are compared before the equal ones are remembered: most comparisons never get there. */
const UNREMEMBERED_PAIRS = 1000;

/**
 * One comparison of lists or maps. A list may stand many times in another, and that one in a third: unless such parts are compared
 * once, a short expression takes time that is exponential in its length.
 */
class Comparison {
  #pairs = 0;
  readonly #equal = new Map<object, Set<object>>();

  /** Whether two lists or maps are equal, by `compare` unless it is known. */
  same(a: object, b: object, compare: () => boolean): boolean {
    if (this.#equal.get(a)?.has(b)) return true;
    const isSame = compare();
    // One unequal pair ends the whole comparison: only the equal ones are asked for again.
    if (isSame && ++this.#pairs > UNREMEMBERED_PAIRS) {
      const partners = this.#equal.get(a);
      if (partners === undefined) this.#equal.set(a, new Set([b]));
      else partners.add(b);
    }
    return isSame;
  }
}

/** As in cel-go, an int or uint beyond 2^53 is compared with a double in double precision. */
function numericEquals(a: CelValue, b: CelValue): boolean {
  const left = plainNumber(a);
  const right = plainNumber(b);
  if (left === undefined || right === undefined) return false;
  return typeof left === typeof right ? left === right : Number(left) === Number(right);
}

/** A number of any type as a JavaScript number or bigint; safe integers always as a number. */
export function plainNumber(value: CelValue): number | bigint | undefined {
  if (typeof value === "number" || typeof value === "bigint") return value;
  if (value instanceof CelDouble) return value.value;
  if (!(value instanceof CelUint)) return undefined;
  return value.value <= Number.MAX_SAFE_INTEGER ? Number(value.value) : value.value;
}

function objectEquals(a: CelValue & object, b: CelValue & object, comparison: Comparison = new Comparison()): boolean {
  if (Array.isArray(a)) return Array.isArray(b) && comparison.same(a, b, () => listEquals(a, b, comparison));
  if (a instanceof Uint8Array) return b instanceof Uint8Array && bytesEqual(a, b);
  if (a instanceof CelTimestamp) return b instanceof CelTimestamp && a.seconds === b.seconds && a.nanos === b.nanos;
  if (a instanceof CelDuration) return b instanceof CelDuration && a.seconds === b.seconds && a.nanos === b.nanos;
  if (a instanceof CelOptional) return b instanceof CelOptional && optionalEquals(a, b, comparison);
  if (a instanceof CelTypeValue) return b instanceof CelTypeValue && typeName(a.type) === typeName(b.type);
  if (a instanceof CelOpaque) return b instanceof CelOpaque && typeName(a.celType) === typeName(b.celType) && a.equals(b);
  return comparison.same(a, b, () => mapEquals(a, b, comparison));
}

const optionalEquals = (a: CelOptional, b: CelOptional, comparison: Comparison): boolean =>
  a.hasValue === b.hasValue && (!a.hasValue || equalsWithin(a.value, b.value, comparison));

const listEquals = (a: readonly CelValue[], b: readonly CelValue[], comparison: Comparison): boolean =>
  a.length === b.length && a.every((element, index) => equalsWithin(element, b[index] ?? null, comparison));

const bytesEqual = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, index) => byte === b[index]);

function mapEquals(a: CelValue, b: CelValue, comparison: Comparison): boolean {
  const isMapA = a instanceof CelMap || isPlainMap(a);
  const isMapB = b instanceof CelMap || isPlainMap(b);
  if (!isMapA || !isMapB || mapSize(a) !== mapSize(b)) return false;
  return mapKeys(a).every((key) => {
    const right = mapGet(b, key);
    return right !== undefined && equalsWithin(mapValue(a, key), right, comparison);
  });
}
