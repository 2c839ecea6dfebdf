/**
 * Values of CEL as JSON, for output: what `cel eval` prints, what a mutation writes into an object. JSON as CEL reads it needs no
 * conversion. Follows the JSON mapping of protobuf where CEL's specification refers to it (langdef, "JSON Data Conversion"), except that
 * int64 and uint64 stay numbers, as Kubernetes writes them.
 */
import type { JsonValue } from "../lib/json.ts";
import { formatDuration } from "./runtime/duration.ts";
import { isPlainMap } from "./runtime/map.ts";
import { formatTimestamp } from "./runtime/timestamp.ts";
import { typeName } from "./runtime/type-of.ts";
import {
  CelDouble,
  CelDuration,
  CelError,
  CelMap,
  CelOpaque,
  CelOptional,
  CelTimestamp,
  CelTypeValue,
  CelUint,
  type CelValue,
} from "./value.ts";

/**
 * The value as JSON: timestamps as RFC 3339, durations as `1.5s`, bytes as base64, NaN and the infinities as text, an optional as its value
 * or null, types by name. Returns the error that the value is or contains; `CEL_INVALID_ARGUMENT` for map keys and extension values that
 * have no JSON form, `CEL_COST_LIMIT` for more than 2,000,000 values.
 */
export const toJson = (value: CelValue): JsonValue | CelError => jsonOf(value, { left: MAX_JSON_VALUES });

/** A list may stand many times in another, and that one in a third: written out, a short expression may be exponentially long. */
const MAX_JSON_VALUES = 2_000_000;

/** How many values may still be written. */
interface Budget {
  left: number;
}

function jsonOf(value: CelValue, budget: Budget): JsonValue | CelError {
  if (--budget.left < 0) return new CelError("CEL_COST_LIMIT", `the value has more than ${MAX_JSON_VALUES} parts`);
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return listToJson(value, budget);
  if (isPlainMap(value)) return entriesToJson(Object.entries(value), budget);
  return objectToJson(value, budget);
}

function listToJson(items: readonly CelValue[], budget: Budget): JsonValue | CelError {
  const list: JsonValue[] = [];
  for (const item of items) {
    const json = jsonOf(item, budget);
    if (json instanceof CelError) return json;
    list.push(json);
  }
  return list;
}

function entriesToJson(entries: Iterable<readonly [CelValue, CelValue]>, budget: Budget): JsonValue | CelError {
  const members: [string, JsonValue][] = [];
  for (const [key, value] of entries) {
    const json = jsonOf(value, budget);
    if (json instanceof CelError) return json;
    const name = keyToJson(key);
    if (name instanceof CelError) return name;
    members.push([name, json]);
  }
  return Object.fromEntries(members);
}

function keyToJson(key: CelValue): string | CelError {
  if (typeof key === "string") return key;
  if (typeof key === "number" || typeof key === "bigint" || typeof key === "boolean") return String(key);
  if (key instanceof CelUint) return String(key.value);
  return new CelError("CEL_INVALID_ARGUMENT", "a map key that is no string, number or bool has no JSON form");
}

function objectToJson(value: object, budget: Budget): JsonValue | CelError {
  if (value instanceof CelError) return value;
  if (value instanceof CelDouble) return value.value;
  if (value instanceof CelUint) return value.value <= Number.MAX_SAFE_INTEGER ? Number(value.value) : value.value;
  if (value instanceof CelTimestamp) return formatTimestamp(value);
  if (value instanceof CelDuration) return formatDuration(value);
  if (value instanceof CelOptional) return value.hasValue ? jsonOf(value.value, budget) : null;
  if (value instanceof CelTypeValue) return typeName(value.type);
  if (value instanceof CelMap) return entriesToJson(value.entries.values(), budget);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value instanceof CelOpaque) {
    if (value.toCelJson !== undefined) return jsonOf(value.toCelJson(), budget);
    return new CelError("CEL_INVALID_ARGUMENT", `a value of type \`${typeName(value.celType)}\` has no JSON form`);
  }
  return new CelError("CEL_INTERNAL", "a value of an unknown class has no JSON form");
}
