/** Maps: plain objects for string keys, `CelMap` for others. Prototypes are never walked. */
import { CelDouble, CelError, CelMap, CelUint, type CelValue } from "../value.ts";
import { noSuchOverload, quote } from "./failure.ts";
import { isInt } from "./type-of.ts";

export type PlainMap = { readonly [key: string]: CelValue };
export type MapKey = string | number | bigint | boolean;

const owns = Object.prototype.hasOwnProperty;

/** Whether a value is a map with string keys: an object of no class. */
export function isPlainMap(value: CelValue): value is PlainMap {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  // Object.prototype, of whatever realm, is the one prototype without a prototype.
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}

export const isMap = (value: CelValue): value is PlainMap | CelMap => value instanceof CelMap || isPlainMap(value);

/**
 * The primitive that stands for a key in a `CelMap`: numbers that are equal in CEL give one key. Undefined for what no key
 * is equal to, such as 1.5 or a list.
 */
export function mapKey(key: CelValue): MapKey | undefined {
  switch (typeof key) {
    case "string":
      return `s:${key}`;
    case "boolean":
    case "bigint":
      return key;
    case "number":
      return numberKey(key);
    default:
      if (key instanceof CelUint) return integerKey(key.value);
      return key instanceof CelDouble ? numberKey(key.value) : undefined;
  }
}

const integerKey = (value: bigint): MapKey => (value <= Number.MAX_SAFE_INTEGER ? Number(value) : value);
const numberKey = (value: number): MapKey | undefined =>
  Number.isSafeInteger(value) ? value + 0 : Number.isInteger(value) ? BigInt(value) : undefined;

/** The entry of a key, or undefined. */
export function mapGet(map: PlainMap | CelMap, key: CelValue): CelValue | undefined {
  if (map instanceof CelMap) {
    const normal = mapKey(key);
    return normal === undefined ? undefined : map.entries.get(normal)?.[1];
  }
  return typeof key === "string" && owns.call(map, key) ? map[key] : undefined;
}

export const mapSize = (map: PlainMap | CelMap): number => (map instanceof CelMap ? map.entries.size : Object.keys(map).length);

export const mapKeys = (map: PlainMap | CelMap): readonly CelValue[] =>
  map instanceof CelMap ? [...map.entries.values()].map(([key]) => key) : Object.keys(map);

/** The value of a key that is known to be there. */
export const mapValue = (map: PlainMap | CelMap, key: CelValue): CelValue => mapGet(map, key) ?? null;

/** What a key of a map may be. */
const isKey = (value: CelValue): boolean =>
  typeof value === "string" || typeof value === "boolean" || isInt(value) || value instanceof CelUint;

/** Builds a map entry by entry: a plain object while all keys are strings. */
export class MapBuilder {
  readonly #entries = new Map<MapKey, readonly [CelValue, CelValue]>();
  #hasOnlyStrings = true;

  /** An error when the key is no key, or was added before. */
  add(key: CelValue, value: CelValue): CelError | undefined {
    const normal = mapKey(key);
    if (normal === undefined || !isKey(key)) return noSuchOverload("map key", [key]);
    if (this.#entries.has(normal)) {
      return new CelError("CEL_DUPLICATE_KEY", `duplicate key in a map: ${quote(String(normal).replace(/^s:/, ""))}`);
    }
    this.#hasOnlyStrings &&= typeof key === "string";
    this.#entries.set(normal, [key, value]);
    return undefined;
  }

  build(): PlainMap | CelMap {
    if (!this.#hasOnlyStrings) return new CelMap(this.#entries);
    // `fromEntries` defines properties, so that a key `__proto__` becomes one too.
    return Object.fromEntries([...this.#entries.values()].map(([key, value]) => [String(key), value]));
  }
}
