/**
 * Parsed JSON as data. An integer beyond ±(2^53-1) is exact as a `bigint` where the reader kept it (documents do;
 * `JSON.parse` rounds): write such a value with `encodeJson`, since `JSON.stringify` refuses it.
 */
export type JsonValue = null | boolean | number | bigint | string | readonly JsonValue[] | JsonObject;

/** A parsed JSON object. UNTRUSTED unless its producer says otherwise; a reader of Vigil's never lets a `__proto__` key in. */
export type JsonObject = { readonly [key: string]: JsonValue };

/** The value as JSON text on one line, `bigint` as the integer that it is. */
export function encodeJson(value: JsonValue): string {
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  try {
    return JSON.stringify(value);
  } catch {
    // A bigint is inside (nothing else makes JSON.stringify throw on acyclic data): write this level by hand.
    if (isJsonArray(value)) return `[${value.map(encodeJson).join(",")}]`;
    return `{${Object.entries(value)
      .map(([key, child]) => `${JSON.stringify(key)}:${encodeJson(child)}`)
      .join(",")}}`;
  }
}

/** Narrows to an array (`Array.isArray` does not, for readonly ones). */
export function isJsonArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** Narrows to an object that is neither null nor an array. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
