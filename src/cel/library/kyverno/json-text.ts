/** JSON as Go writes it: keys in order, `<`, `>` and `&` escaped, bytes in base64. A hash of it is the same as in Kyverno. */
import { asDouble, isDouble } from "../../runtime/double.ts";
import { formatDuration } from "../../runtime/duration.ts";
import { isMap, mapKeys, mapValue } from "../../runtime/map.ts";
import { compareStrings } from "../../runtime/ordering.ts";
import { formatTimestamp } from "../../runtime/timestamp.ts";
import { typeName, typeOf } from "../../runtime/type-of.ts";
import { CelDuration, CelError, CelOpaque, CelOptional, CelTimestamp, CelUint, type CelValue } from "../../value.ts";
import { fail } from "../define.ts";
import { MAX_TEXT_LENGTH, textTooLong } from "../size-limit.ts";

export function encodeAsGo(value: CelValue): string | CelError {
  if (typeof value === "string") return quote(value);
  if (value === null || typeof value === "boolean") return String(value);
  if (isDouble(value)) {
    const number = asDouble(value);
    return Number.isFinite(number) ? JSON.stringify(number) : fail("NaN and infinity have no JSON");
  }
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (Array.isArray(value)) {
    const texts = encodeAll(value);
    return texts instanceof CelError ? texts : `[${texts.join(",")}]`;
  }
  return encodeObject(value);
}

function encodeObject(value: CelValue): string | CelError {
  if (value instanceof CelUint) return String(value.value);
  if (value instanceof Uint8Array) return quote(Buffer.from(value).toString("base64"));
  if (value instanceof CelTimestamp) return quote(formatTimestamp(value));
  if (value instanceof CelDuration) return quote(formatDuration(value));
  if (value instanceof CelOptional) return value.hasValue ? encodeAsGo(value.value) : "null";
  if (value instanceof CelOpaque && value.toCelJson !== undefined) return encodeAsGo(value.toCelJson());
  if (!isMap(value)) return fail(`a value of type ${typeName(typeOf(value))} has no JSON`);
  const keys = mapKeys(value).filter((key) => typeof key === "string");
  if (keys.length < mapKeys(value).length) return fail("a map with keys that are no strings has no JSON");
  keys.sort(compareStrings);
  const texts = encodeAll(keys.map((key) => mapValue(value, key)));
  return texts instanceof CelError ? texts : `{${keys.map((key, index) => `${quote(key)}:${texts[index] ?? ""}`).join(",")}}`;
}

/** An error once the texts are too long: a list may stand in another many times. */
function encodeAll(values: readonly CelValue[]): readonly string[] | CelError {
  const texts: string[] = [];
  let length = 0;
  for (const value of values) {
    const text = encodeAsGo(value);
    if (text instanceof CelError) return text;
    length += text.length;
    if (length > MAX_TEXT_LENGTH) return textTooLong();
    texts.push(text);
  }
  return texts;
}

const quote = (text: string): string =>
  JSON.stringify(text.toWellFormed()).replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
