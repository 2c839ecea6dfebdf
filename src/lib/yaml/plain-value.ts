/**
 * What a plain (unquoted) scalar means. As Kubernetes reads YAML (sigs.k8s.io/yaml on go-yaml v2), which is YAML 1.1 with
 * its own number syntax: `yes`, `no`, `on`, `off`, `y`, `n` are booleans, `017` and `0o17` are 15, `1_000` is 1000,
 * `0x1F` is 31, `1:30` and dates are strings.
 */
import type { JsonValue } from "../json.ts";
import { CHAR } from "./cursor.ts";

const WORDS: ReadonlyMap<string, JsonValue> = new Map<string, JsonValue>([
  ...["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"].map((word) => [word, true] as const),
  ...["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"].map((word) => [word, false] as const),
  ...["", "~", "null", "Null", "NULL"].map((word) => [word, null] as const),
]);
const LONGEST_WORD = 5;

const NOT_FINITE = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
const LEADING_DOT = /^\.\d+(?:_\d+)*(?:[eE][-+]?\d+(?:_\d+)*)?$/;
const FLOAT = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/;
const INTEGER = /^([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9]\d*))$/;

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

/** The value of a plain scalar, or undefined for one that JSON cannot hold (`.inf`, `.nan`). */
export function plainValue(text: string): JsonValue | undefined {
  const code = text.charCodeAt(0);
  const isDigit = code >= CHAR.zero && code <= CHAR.nine;
  if (isDigit || code === CHAR.dash || code === 43 /* + */ || code === CHAR.dot) return numberOrText(text);
  if (text.length > LONGEST_WORD) return text;
  const word = WORDS.get(text);
  return word === undefined ? text : word;
}

function numberOrText(text: string): JsonValue | undefined {
  if (isSmallDecimal(text)) return Number(text);
  if (NOT_FINITE.test(text)) return undefined;
  if (text.startsWith(".")) return LEADING_DOT.test(text) ? finiteOrText(text.replaceAll("_", ""), text) : text;
  const digits = text.replaceAll("_", "");
  const integer = INTEGER.exec(digits);
  if (integer !== null) {
    const value = integerValue(integer);
    if (value >= INT64_MIN && value <= INT64_MAX) return Number.isSafeInteger(Number(value)) ? Number(value) : value;
    // Beyond int64 Kubernetes falls back to a float.
    if (value > 0n && value <= UINT64_MAX) return Number(value);
  }
  return FLOAT.test(digits) ? finiteOrText(digits, text) : text;
}

/** Decimal digits without a leading zero, few enough to be exact: the common case without a regular expression. */
function isSmallDecimal(text: string): boolean {
  if (text.length > 15 || (text.length > 1 && text.charCodeAt(0) === CHAR.zero)) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < CHAR.zero || code > CHAR.nine) return false;
  }
  return true;
}

function integerValue([, sign, hex, binary, octal, decimal]: RegExpExecArray): bigint {
  const magnitude =
    hex !== undefined
      ? BigInt(`0x${hex}`)
      : binary !== undefined
        ? BigInt(`0b${binary}`)
        : BigInt(octal !== undefined ? `0o${octal}` : (decimal ?? "0"));
  return sign === "-" ? -magnitude : magnitude;
}

function finiteOrText(digits: string, text: string): JsonValue {
  const value = Number(digits);
  if (!Number.isFinite(value)) return text;
  return value === 0 ? 0 : value;
}

/** The key that a plain scalar is in a mapping: JSON keys are strings. undefined for one that cannot be a key (null). */
export function plainKey(text: string): string | undefined {
  const value = plainValue(text);
  if (typeof value === "string") return value;
  if (typeof value === "number" && FLOAT.test(text) && /[.eE]/.test(text)) return formatFloatKey(value);
  return value === null || value === undefined ? undefined : String(value);
}

/** A float as a key in Go's `%g` form at single precision, which is what Kubernetes' reader makes of `1.10:`. */
function formatFloatKey(value: number): string {
  const single = Math.fround(value);
  let digits = 1;
  while (digits < 9 && Math.fround(Number(value.toPrecision(digits))) !== single) digits++;
  const [mantissa = "0", exponent = "0"] = Number(value.toPrecision(digits)).toExponential().split("e");
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(Number(value.toPrecision(digits)));
  return `${mantissa}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}
