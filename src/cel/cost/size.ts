/** Sizes that values can have: characters of a string, bytes, elements of a list, entries of a map; 1 for everything else. */
import type { CostRange } from "../declaration.ts";
import { range } from "../library/cost.ts";
import type { CelType } from "../type.ts";

/** The keys (or indices) and values of a collection. */
export interface EntrySize {
  readonly isList: boolean;
  readonly key: CostRange;
  readonly value: CostRange;
}

export const union = (a: CostRange, b: CostRange): CostRange => range(Math.min(a.min, b.min), Math.max(a.max, b.max));

export function unionOfEntries(a: EntrySize | undefined, b: EntrySize | undefined): EntrySize | undefined {
  if (a === undefined || b === undefined) return undefined;
  return { isList: a.isList, key: union(a.key, b.key), value: union(a.value, b.value) };
}

/**
 * The size that all values of a type have, if it is one. Types as values and objects of extension types count 1, as they do
 * at run time; cel-go leaves them unbounded.
 */
export function fixedSize(type: CelType): CostRange | undefined {
  switch (type.kind) {
    case "bool":
    case "int":
    case "uint":
    case "double":
    case "timestamp":
    case "duration":
    case "null":
    case "type":
      return range(1);
    case "opaque": {
      const [of] = type.parameters;
      return of === undefined ? range(1) : type.name === "optional_type" ? fixedSize(of) : undefined;
    }
    default:
      return undefined;
  }
}
