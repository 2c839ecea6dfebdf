import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";

/** An own member of an object, never one of its prototype. */
export const memberOf = (object: JsonObject, key: string): JsonValue | undefined => (Object.hasOwn(object, key) ? object[key] : undefined);

/** Whether two JSON values are the same; the order of members does not count. */
export function jsonEquals(a: JsonValue, b: JsonValue): boolean {
  if (a === b) return true;
  if (isJsonArray(a)) return isJsonArray(b) && a.length === b.length && a.every((item, index) => jsonEquals(item, b[index] ?? null));
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => {
      const other = memberOf(b, key);
      return other !== undefined && jsonEquals(a[key] ?? null, other);
    })
  );
}
