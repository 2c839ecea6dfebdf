/** Numbers and booleans in strings, as Go's strconv reads them. UNTRUSTED: any text gives a result. */
import type { CelError, CelValue } from "../value.ts";
import { doubleOf } from "./double.ts";
import { invalidArgument, quote } from "./failure.ts";

/** More digits than any 64-bit integer needs, few enough for BigInt. */
const MAX_INTEGER_LENGTH = 64;
const MAX_DOUBLE_LENGTH = 1024;
const DOUBLE = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const TRUE = new Set(["1", "t", "T", "TRUE", "true", "True"]);
const FALSE = new Set(["0", "f", "F", "FALSE", "false", "False"]);

const malformed = (what: string, text: string): CelError => invalidArgument(`expected ${what}, got ${quote(text)}`);

export function parseInteger(text: string, ofBigInt: (value: bigint) => CelValue, what: string): CelValue {
  return text.length <= MAX_INTEGER_LENGTH && /^[+-]?\d+$/.test(text)
    ? ofBigInt(text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text.replace("+", "")))
    : malformed(what, text);
}

export function parseDouble(text: string): CelValue {
  if (text.length <= MAX_DOUBLE_LENGTH && DOUBLE.test(text)) {
    const value = Number(text);
    return Number.isFinite(value) ? doubleOf(value) : malformed("a double", text);
  }
  switch (text.toLowerCase()) {
    case "nan":
      return Number.NaN;
    case "inf":
    case "+inf":
    case "infinity":
    case "+infinity":
      return Number.POSITIVE_INFINITY;
    case "-inf":
    case "-infinity":
      return Number.NEGATIVE_INFINITY;
    default:
      return malformed("a double", text);
  }
}

export const parseBool = (text: string): boolean | CelError =>
  TRUE.has(text) ? true : FALSE.has(text) ? false : malformed("a bool", text);
