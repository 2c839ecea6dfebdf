import { CelDouble, CelDuration, CelMap, CelOpaque, CelOptional, CelTimestamp, CelTypeValue, CelUint, type CelValue } from "../value.ts";
import { isPlainMap, mapGet, mapKeys, mapSize, mapValue } from "./map.ts";
import { typeName } from "./type-of.ts";

/**
 * Equality of CEL: numbers by their mathematical value across int, uint and double, NaN equal to nothing, everything else
 * only within its type; values of different types are unequal. Not defined for errors, which operators handle first.
 */
export function equals(a: CelValue, b: CelValue): boolean {
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
      return a instanceof CelDouble || a instanceof CelUint ? numericEquals(a, b) : typeof b === "object" && objectEquals(a, b);
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

function objectEquals(a: CelValue & object, b: CelValue & object): boolean {
  if (Array.isArray(a)) return Array.isArray(b) && listEquals(a, b);
  if (a instanceof Uint8Array) return b instanceof Uint8Array && bytesEqual(a, b);
  if (a instanceof CelTimestamp) return b instanceof CelTimestamp && a.seconds === b.seconds && a.nanos === b.nanos;
  if (a instanceof CelDuration) return b instanceof CelDuration && a.seconds === b.seconds && a.nanos === b.nanos;
  if (a instanceof CelOptional) return b instanceof CelOptional && a.hasValue === b.hasValue && (!a.hasValue || equals(a.value, b.value));
  if (a instanceof CelTypeValue) return b instanceof CelTypeValue && typeName(a.type) === typeName(b.type);
  if (a instanceof CelOpaque) return b instanceof CelOpaque && typeName(a.celType) === typeName(b.celType) && a.equals(b);
  return mapEquals(a, b);
}

function listEquals(a: readonly CelValue[], b: readonly CelValue[]): boolean {
  return a.length === b.length && a.every((element, index) => equals(element, b[index] ?? null));
}

const bytesEqual = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, index) => byte === b[index]);

function mapEquals(a: CelValue, b: CelValue): boolean {
  const isMapA = a instanceof CelMap || isPlainMap(a);
  const isMapB = b instanceof CelMap || isPlainMap(b);
  if (!isMapA || !isMapB || mapSize(a) !== mapSize(b)) return false;
  return mapKeys(a).every((key) => {
    const right = mapGet(b, key);
    return right !== undefined && equals(mapValue(a, key), right);
  });
}
