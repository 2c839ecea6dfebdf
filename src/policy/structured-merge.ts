/**
 * Structured merge: what server-side apply does to an object, without field owners (structured-merge-diff v6). The schema says
 * how lists are merged; where there is none, objects are merged by key and lists are whole values.
 */
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Schema } from "../resource/schema.ts";
import { memberOf } from "./json-equals.ts";

export interface MergeError {
  readonly code: "MERGE_ATOMIC" | "MERGE_INVALID";
  readonly message: string;
}

export interface MergeOptions {
  /** Whether the patch may replace atomic lists and objects as a whole; Kubernetes refuses that in policies. Default false. */
  readonly replacesAtomics?: boolean;
}

/** The live object with what the patch says; shares with `live` what the patch does not touch. */
export function structuredMerge(
  live: JsonObject,
  patch: JsonObject,
  schema: Schema | undefined,
  options: MergeOptions = {},
): Result<JsonObject, MergeError> {
  const problem = firstProblem(patch, schema, "", options.replacesAtomics ?? false);
  if (problem !== undefined) return err(problem);
  return ok(mergeObjects(live, patch, schema));
}

// ---------------------------------------------------------------- what a patch may not say

/** The first place of the patch that the schema does not allow. */
function firstProblem(value: JsonValue, schema: Schema | undefined, path: string, replacesAtomics: boolean): MergeError | undefined {
  if (value === null) return undefined;
  if (schema !== undefined && !fits(value, schema)) {
    return { code: "MERGE_INVALID", message: `\`${path}\`: expected ${schema.type}, got ${nameOfType(value)}` };
  }
  if (!replacesAtomics && isAtomic(value, schema)) {
    return { code: "MERGE_ATOMIC", message: `may not mutate atomic arrays, maps or structs: \`${path}\`` };
  }
  return isJsonArray(value)
    ? problemOfList(value, schema, path, replacesAtomics)
    : isJsonObject(value)
      ? problemOfObject(value, schema, path, replacesAtomics)
      : undefined;
}

function problemOfObject(value: JsonObject, schema: Schema | undefined, path: string, replacesAtomics: boolean): MergeError | undefined {
  for (const [key, child] of Object.entries(value)) {
    if (schema !== undefined && !declares(schema, key)) {
      return { code: "MERGE_INVALID", message: `\`${path}.${key}\`: field not declared in schema` };
    }
    const problem = firstProblem(child, fieldSchema(schema, key), `${path}.${key}`, replacesAtomics);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function problemOfList(
  value: readonly JsonValue[],
  schema: Schema | undefined,
  path: string,
  replacesAtomics: boolean,
): MergeError | undefined {
  const seen = new Set<string>();
  for (const [index, item] of value.entries()) {
    const problem = firstProblem(item, schema?.items, `${path}[${index}]`, replacesAtomics);
    if (problem !== undefined) return problem;
    if (!isAssociative(schema)) continue;
    const key = itemKey(item, schema);
    if (key === undefined) return { code: "MERGE_INVALID", message: `\`${path}[${index}]\` lacks its key ${keysOf(schema)}` };
    if (seen.has(key)) return { code: "MERGE_INVALID", message: `\`${path}\`: duplicate entries for key ${key}` };
    seen.add(key);
  }
  return undefined;
}

function isAtomic(value: JsonValue, schema: Schema | undefined): boolean {
  if (isJsonArray(value)) return !isAssociative(schema);
  return isJsonObject(value) && schema?.mapType === "atomic";
}

function fits(value: JsonValue, schema: Schema): boolean {
  if (schema.type === "any" || schema.intOrString === true || schema.format === "quantity") return true;
  if (isJsonArray(value)) return schema.type === "array";
  if (isJsonObject(value)) return schema.type === "object";
  const type = typeof value;
  if (type === "string") return schema.type === "string";
  if (type === "boolean") return schema.type === "boolean";
  return schema.type === "integer" || schema.type === "number";
}

const nameOfType = (value: JsonValue): string => (isJsonArray(value) ? "array" : typeof value);

const declares = (schema: Schema, key: string): boolean =>
  schema.type !== "object" ||
  schema.preserveUnknown === true ||
  schema.additionalProperties !== undefined ||
  schema.properties === undefined ||
  schema.properties.has(key);

// ---------------------------------------------------------------- merging

const fieldSchema = (schema: Schema | undefined, key: string): Schema | undefined =>
  schema?.properties?.get(key) ?? schema?.additionalProperties;

function mergeValues(live: JsonValue | undefined, patch: JsonValue, schema: Schema | undefined): JsonValue {
  if (isJsonArray(live) && live.length > 0) {
    if (patch === null) return live;
    return isJsonArray(patch) && isAssociative(schema) ? mergeLists(live, patch, schema) : patch;
  }
  if (isJsonObject(live) && Object.keys(live).length > 0) {
    if (patch === null) return live;
    return isJsonObject(patch) && schema?.mapType !== "atomic" ? mergeObjects(live, patch, schema) : patch;
  }
  return patch;
}

function mergeObjects(live: JsonObject, patch: JsonObject, schema: Schema | undefined): JsonObject {
  const merged: Record<string, JsonValue> = { ...live };
  for (const [key, value] of Object.entries(patch)) merged[key] = mergeValues(memberOf(live, key), value, fieldSchema(schema, key));
  return merged;
}

/**
 * Items with one key are merged. Items of the patch come in its order; an item that only the live list holds stays before the
 * first shared item that it stood before.
 */
function mergeLists(live: readonly JsonValue[], patch: readonly JsonValue[], schema: AssociativeSchema): readonly JsonValue[] {
  const patchKeys = patch.map((item) => itemKey(item, schema) ?? "");
  const inPatch = new Set(patchKeys);
  const liveKeys = live.map((item) => itemKey(item, schema) ?? "");
  const liveByKey = new Map<string, JsonValue | undefined>();
  // What the live list holds twice under one key is replaced, not merged.
  for (const [index, key] of liveKeys.entries()) liveByKey.set(key, liveByKey.has(key) ? undefined : live[index]);
  const shared = patchKeys.filter((key) => liveByKey.has(key));
  const merged: JsonValue[] = [];
  let position = 0;
  const keepLiveOnly = (): void => {
    for (; position < live.length && liveKeys[position] !== shared[0]; position++) {
      if (!inPatch.has(liveKeys[position] ?? "")) merged.push(live[position] ?? null);
    }
  };
  for (const [index, item] of patch.entries()) {
    const key = patchKeys[index] ?? "";
    keepLiveOnly();
    merged.push(mergeValues(liveByKey.get(key), item, schema.items));
    if (shared[0] === key) shared.shift();
  }
  keepLiveOnly();
  return merged;
}

type AssociativeSchema = Schema & { readonly listType: "set" | "map" };

const isAssociative = (schema: Schema | undefined): schema is AssociativeSchema => schema?.listType === "map" || schema?.listType === "set";

const keysOf = (schema: Schema): string => (schema.listMapKeys ?? []).map((key) => `\`${key}\``).join(", ");

/** What identifies an item of its list, or undefined when it lacks a key. */
function itemKey(item: JsonValue, schema: AssociativeSchema): string | undefined {
  if (schema.listType === "set") return JSON.stringify(item);
  if (!isJsonObject(item)) return undefined;
  const values: JsonValue[] = [];
  for (const key of schema.listMapKeys ?? []) {
    const value = memberOf(item, key) ?? schema.items?.properties?.get(key)?.default;
    if (value === undefined) return undefined;
    values.push(value);
  }
  return JSON.stringify(values);
}
