/**
 * What Kyverno's functions look up in the world: evaluation is synchronous and pure, so the caller fetches beforehand and
 * binds a source that answers from what it has.
 */
import type { Result } from "../../../lib/result.ts";
import type { FunctionDeclaration, Overload } from "../../declaration.ts";
import { isMap, mapKeys, mapValue } from "../../runtime/map.ts";
import { CelError, type CelValue } from "../../value.ts";
import { declare, type MapValue } from "../define.ts";

/** Why a value is not at hand. */
export interface Missing {
  /** Such as `not fetched yet`; lower case, one line. */
  readonly reason: string;
  /** Milliseconds since it was last at hand; null when it never was. */
  readonly ageMs: number | null;
}

export type Lookup = Result<CelValue, Missing>;

/** The value, or `CEL_UNAVAILABLE` with what was asked for, why it is missing and how old it is. */
export function lookedUp(lookup: Lookup, asked: string): CelValue {
  if (lookup.ok) return lookup.value;
  const { reason, ageMs } = lookup.error;
  const age = ageMs === null ? "" : `, last known ${(ageMs / 1000).toFixed(1)} s ago`;
  return new CelError("CEL_UNAVAILABLE", `${asked} is not available: ${reason}${age}`);
}

/** Text values of a map by text key; other entries are left out, of which a checked expression has none. */
export function textEntries(map: MapValue): Readonly<Record<string, string>> {
  const entries: (readonly [string, string])[] = [];
  for (const key of isMap(map) ? mapKeys(map) : []) {
    const value = mapValue(map, key);
    if (typeof key === "string" && typeof value === "string") entries.push([key, value]);
  }
  return Object.fromEntries(entries);
}

/** A function under its older name, in Pascal case, and its newer one, in camel case, with ids that end alike. */
export function inBothCases(
  camelName: string,
  pascalName: string,
  description: string,
  overloads: (idSuffix: string) => readonly Overload[],
): readonly FunctionDeclaration[] {
  return [
    declare(camelName, description, ...overloads("camel")),
    declare(pascalName, `${description} The older name of ${camelName}.`, ...overloads("pascal")),
  ];
}
