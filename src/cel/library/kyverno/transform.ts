import type { Library } from "../../declaration.ts";
import { isMap, mapGet } from "../../runtime/map.ts";
import { DYN, mapType } from "../../type.ts";
import type { CelValue } from "../../value.ts";
import { declare, dyn, fail, func, list, string } from "../define.ts";

/** For each pair of objects, the value of one field of the first to the value of one field of the second. */
function listObjToMap(keys: readonly CelValue[], values: readonly CelValue[], keyName: string, valueName: string): CelValue {
  if (keys.length !== values.length) return fail(`expected lists of equal length, got ${keys.length} and ${values.length} elements`);
  const entries: (readonly [string, CelValue])[] = [];
  for (const [index, object] of keys.entries()) {
    const other = values[index] ?? null;
    if (!isMap(object) || !isMap(other)) return fail("expected lists of objects");
    const key = mapGet(object, keyName);
    if (typeof key !== "string") return fail("expected a string as the key of every object");
    entries.push([key, mapGet(other, valueName) ?? null]);
  }
  // `fromEntries` defines properties, so that a key `__proto__` is one too.
  return Object.fromEntries(entries);
}

const description = "A map made of two lists of objects: a field of the first list's objects to a field of the second's.";
const PARAMETERS = [list(dyn), list(dyn), string, string] as const;

/** Kyverno's function for lists of objects. */
export const transformLibrary: Library = {
  name: "kyverno.transform",
  functions: [
    declare("listObjToMap", description, func("list_of_object_to_map_non_prefixed", [...PARAMETERS], mapType(DYN, DYN), listObjToMap)),
    declare(
      "transform.listObjToMap",
      description,
      func("list_of_object_to_map_prefixed", [...PARAMETERS], mapType(DYN, DYN), listObjToMap),
    ),
  ],
};
