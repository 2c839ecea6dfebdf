/**
 * JSON (RFC 8259) from strangers. `JSON.parse` does the work; what it would let through is refused: invalid UTF-8, a name that stands
 * twice in one object (two readers could see two values), the name `__proto__`, and nesting that would exhaust the stack of those who walk it.
 */
import { isUtf8 } from "node:buffer";
import { messageOf, VigilError } from "./error.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { err, ok, type Result } from "./result.ts";

export type JsonErrorCode = "JSON_UTF8" | "JSON_SYNTAX" | "JSON_DUPLICATE_NAME" | "JSON_FORBIDDEN_NAME" | "JSON_DEPTH";

/** The OpenAPI schemas of real custom resources stay below a quarter of it. */
export const MAX_JSON_DEPTH = 256;

/**
 * The value, or the first reason to refuse it. Integers beyond ±(2^53-1) and up to 20 characters are exact, as `bigint`.
 * The caller limits the size: the time is linear in it.
 */
export function parseStrictJson(bytes: Uint8Array): Result<JsonValue, VigilError<JsonErrorCode>> {
  if (!isUtf8(bytes)) return err(new VigilError("JSON_UTF8", "the text is not valid UTF-8"));
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  let value: JsonValue;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    // The message of JSON.parse quotes the text, which may hold a secret: only the position is kept.
    const position = /position \d+/.exec(messageOf(thrown))?.[0];
    return err(new VigilError("JSON_SYNTAX", position === undefined ? "the text is not JSON" : `the text is not JSON at ${position}`));
  }
  const names = typeof value === "object" && value !== null ? countNames(value, MAX_JSON_DEPTH) : 0;
  if (names === FORBIDDEN_NAME) return err(new VigilError("JSON_FORBIDDEN_NAME", "an object has the name `__proto__`"));
  if (names === TOO_DEEP) return err(new VigilError("JSON_DEPTH", `nested more than ${MAX_JSON_DEPTH} deep`));
  const { colons, hasLongNumber } = scan(bytes);
  // INVARIANT: a parsed object keeps one entry per distinct name, so fewer names than colons means that some stood twice.
  if (names < colons) return err(new VigilError("JSON_DUPLICATE_NAME", "a name stands twice in one object"));
  return ok(hasLongNumber ? JSON.parse(text, keepInteger) : value);
}

const FORBIDDEN_NAME = -1;
const TOO_DEEP = -2;

/** How many names all objects within `value` have together, or one of the two refusals. */
function countNames(value: JsonObject | readonly JsonValue[], depthLeft: number): number {
  if (depthLeft === 0) return TOO_DEEP;
  let names = 0;
  if (isList(value)) {
    for (const item of value) {
      if (typeof item !== "object" || item === null) continue;
      const inner = countNames(item, depthLeft - 1);
      if (inner < 0) return inner;
      names += inner;
    }
    return names;
  }
  for (const name in value) {
    names++;
    if (name === "__proto__") return FORBIDDEN_NAME;
    const item = value[name];
    if (typeof item !== "object" || item === null) continue;
    const inner = countNames(item, depthLeft - 1);
    if (inner < 0) return inner;
    names += inner;
  }
  return names;
}

const isList = (value: readonly JsonValue[] | JsonObject): value is readonly JsonValue[] => Array.isArray(value);

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const ZERO = 0x30;
const NINE = 0x39;
/** 2^53 has 16 digits: a shorter number is exact as it is. */
const LONG_NUMBER_DIGITS = 16;

/** What stands outside the strings of a valid JSON text: colons, one per name, and whether a number may have been rounded. */
function scan(text: Uint8Array): { readonly colons: number; readonly hasLongNumber: boolean } {
  let colons = 0;
  let digits = 0;
  let hasLongNumber = false;
  let at = 0;
  while (at < text.length) {
    const byte = text[at++] ?? 0;
    if (byte >= ZERO && byte <= NINE) {
      if (++digits === LONG_NUMBER_DIGITS) hasLongNumber = true;
      continue;
    }
    digits = 0;
    if (byte === COLON) colons++;
    if (byte !== QUOTE) continue;
    let inside = text[at++];
    while (inside !== QUOTE) {
      if (inside === BACKSLASH) at++;
      inside = text[at++];
    }
  }
  return { colons, hasLongNumber };
}

const MAX_INTEGER_CHARACTERS = 20;

/** A reviver of `JSON.parse` (the third argument is newer than the types of the language). */
function keepInteger(_: string, value: JsonValue, context?: { readonly source?: string }): JsonValue {
  const source = context?.source ?? "";
  if (typeof value !== "number" || Number.isSafeInteger(value) || source.length > MAX_INTEGER_CHARACTERS) return value;
  return /^-?\d+$/.test(source) ? BigInt(source) : value;
}
