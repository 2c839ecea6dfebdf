/** The difference of two JSON values as JSON Patch (RFC 6902). */
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";
import type { JsonPatchOperation } from "./decision.ts";
import { jsonEquals, memberOf } from "./json-equals.ts";
import { encodeSegment } from "./json-pointer.ts";

/**
 * Operations (`add`, `remove`, `replace`) that turn `from` into `to`; none when they are equal. They name the smallest parts
 * that changed; of an array whose length changed, the part between the common head and tail.
 */
export function diff(from: JsonValue, to: JsonValue): readonly JsonPatchOperation[] {
  const operations: JsonPatchOperation[] = [];
  diffValue(from, to, "", operations);
  return operations;
}

function diffValue(from: JsonValue, to: JsonValue, path: string, out: JsonPatchOperation[]): void {
  if (from === to) return;
  if (isJsonArray(from) && isJsonArray(to)) diffArray(from, to, path, out);
  else if (isJsonObject(from) && isJsonObject(to)) diffObject(from, to, path, out);
  else out.push({ op: "replace", path, value: to });
}

function diffObject(from: JsonObject, to: JsonObject, path: string, out: JsonPatchOperation[]): void {
  for (const key of Object.keys(from)) {
    if (!Object.hasOwn(to, key)) out.push({ op: "remove", path: `${path}/${encodeSegment(key)}` });
  }
  for (const [key, value] of Object.entries(to)) {
    const before = memberOf(from, key);
    const place = `${path}/${encodeSegment(key)}`;
    if (before === undefined) out.push({ op: "add", path: place, value });
    else diffValue(before, value, place, out);
  }
}

function diffArray(from: readonly JsonValue[], to: readonly JsonValue[], path: string, out: JsonPatchOperation[]): void {
  const shorter = Math.min(from.length, to.length);
  const same = (a: JsonValue | undefined, b: JsonValue | undefined): boolean => a !== undefined && b !== undefined && jsonEquals(a, b);
  let head = 0;
  while (head < shorter && same(from[head], to[head])) head++;
  let tail = 0;
  while (tail < shorter - head && same(from[from.length - 1 - tail], to[to.length - 1 - tail])) tail++;
  const overlap = shorter - tail;
  for (let index = head; index < overlap; index++) diffValue(from[index] ?? null, to[index] ?? null, `${path}/${index}`, out);
  // From the end, so that the indices of what is still to be removed stay right.
  for (let index = from.length - tail - 1; index >= overlap; index--) out.push({ op: "remove", path: `${path}/${index}` });
  for (let index = overlap; index < to.length - tail; index++) out.push({ op: "add", path: `${path}/${index}`, value: to[index] ?? null });
}
