/**
 * Selection and indexing, which CEL does not tell apart at run time: `a.b` and `a["b"]` look a key up in a map, `a[0]` an
 * element in a list. Selecting from an optional value gives an optional value.
 */

import { formatType } from "../type.ts";
import { CelDouble, CelError, CelMap, CelOptional, CelUint, type CelValue, NONE } from "../value.ts";
import { noSuchKey, noSuchOverload, outOfBounds, quote } from "./failure.ts";
import { isPlainMap, mapGet } from "./map.ts";
import { typeOf } from "./type-of.ts";

/** `container.key` or `container[key]`; an error when there is no such entry. */
export function lookUp(container: CelValue, key: CelValue, isStrict: boolean): CelValue {
  if (container instanceof CelOptional) return lookUpOptional(container, key, isStrict);
  const found = find(container, key);
  return found === undefined ? missing(container, key) : found;
}

/** `container.?key` or `container[?key]`: always an optional value, or an error. */
export function lookUpOptional(container: CelValue, key: CelValue, isStrict: boolean): CelValue {
  const found = findPresent(container, key, isStrict);
  if (found === undefined) return NONE;
  return found instanceof CelError ? found : new CelOptional(true, found);
}

/** `has(container.key)`. */
export function isPresent(container: CelValue, key: CelValue, isStrict: boolean): boolean | CelError {
  const found = findPresent(container, key, isStrict);
  return found instanceof CelError ? found : found !== undefined;
}

/**
 * The entry, or undefined where there is none, looking through an optional container. A value that has no entries at all
 * (null, a number) is an error when `isStrict`, otherwise it just has none, as Kubernetes takes it.
 */
export function findPresent(container: CelValue, key: CelValue, isStrict: boolean): CelValue | undefined {
  if (container instanceof CelOptional) return container.hasValue ? findPresent(container.value, key, isStrict) : undefined;
  const found = find(container, key);
  if (found !== undefined || isMapOrList(container)) return found;
  return isStrict ? missing(container, key) : undefined;
}

/** The entry of a map or a list, or undefined; an error stays what it is. */
function find(container: CelValue, key: CelValue): CelValue | undefined {
  if (Array.isArray(container)) return findElement(container, key);
  if (container instanceof CelError) return container;
  return container instanceof CelMap || isPlainMap(container) ? mapGet(container, key) : undefined;
}

const isMapOrList = (value: CelValue): boolean => Array.isArray(value) || value instanceof CelMap || isPlainMap(value);

function findElement(list: readonly CelValue[], key: CelValue): CelValue | undefined {
  const index = key instanceof CelDouble || key instanceof CelUint ? Number(key.value) : key;
  if (typeof index === "number" && Number.isInteger(index)) return list[index];
  return typeof index === "bigint" ? undefined : noSuchOverload("_[_]", [list, key]);
}

function missing(container: CelValue, key: CelValue): CelError {
  if (Array.isArray(container)) return outOfBounds(key, container.length);
  if (isMapOrList(container)) return noSuchKey(key);
  const what = typeof key === "string" ? `a map with the key ${quote(key)}` : "a map or a list";
  return new CelError("CEL_NO_SUCH_FIELD", `expected ${what}, got ${formatType(typeOf(container))}`);
}
