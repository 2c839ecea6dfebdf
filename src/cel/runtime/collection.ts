/** Sizes, membership and iteration of lists, maps, strings and bytes. */
import { codePointCount } from "../library/code-points.ts";
import { CelError, CelMap, type CelValue } from "../value.ts";
import { equals } from "./equality.ts";
import { noSuchOverload } from "./failure.ts";
import { isPlainMap, mapGet, mapKeys, mapSize } from "./map.ts";

/** `size(value)`. */
export function sizeOf(value: CelValue): number | CelError {
  if (typeof value === "string") return codePointCount(value);
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length;
  if (value instanceof CelError) return value;
  return value instanceof CelMap || isPlainMap(value) ? mapSize(value) : noSuchOverload("size", [value]);
}

/** `element in container`: an element of a list, or a key of a map. */
export function contains(container: CelValue, element: CelValue): boolean | CelError {
  if (element instanceof CelError) return element;
  if (Array.isArray(container)) return listContains(container, element);
  if (container instanceof CelError) return container;
  if (!(container instanceof CelMap) && !isPlainMap(container)) return noSuchOverload("@in", [element, container]);
  return mapGet(container, element) !== undefined;
}

function listContains(list: readonly CelValue[], element: CelValue): boolean {
  // A string equals nothing but the same string: the usual case needs no more than `===`.
  return typeof element === "string" ? list.includes(element) : list.some((candidate) => equals(candidate, element));
}

/** What a comprehension of one variable walks over: elements of a list, keys of a map. */
export function iterable(range: CelValue): readonly CelValue[] | CelError {
  if (Array.isArray(range)) return range;
  if (range instanceof CelError) return range;
  return range instanceof CelMap || isPlainMap(range) ? mapKeys(range) : noSuchOverload("comprehension", [range]);
}
