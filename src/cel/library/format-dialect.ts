/**
 * How `format` writes values, in two dialects. The current one is cel-go's ext/formatting_v2.go; the one of Kubernetes is
 * ext/formatting.go, which writes nested values as literals and numbers as American English does.
 */
import { decodeUtf8 } from "../runtime/bytes.ts";
import { asDouble, formatDouble, isDouble } from "../runtime/double.ts";
import { formatDuration } from "../runtime/duration.ts";
import { isMap, mapKeys, mapValue } from "../runtime/map.ts";
import { compareStrings } from "../runtime/ordering.ts";
import { formatTimestamp } from "../runtime/timestamp.ts";
import { isInt, typeName } from "../runtime/type-of.ts";
import { CelDuration, CelError, CelTimestamp, CelTypeValue, CelUint, type CelValue } from "../value.ts";
import { formatExponent, formatFixed, groupThousands } from "./number-format.ts";
import { MAX_TEXT_LENGTH, textTooLong } from "./size-limit.ts";

/** How one dialect writes the values of the clauses in which the dialects differ; undefined for a value that the clause cannot write. */
export interface FormatDialect {
  readonly string: (value: CelValue) => string | CelError | undefined;
  readonly decimal: (value: CelValue) => string | undefined;
  readonly fixed: (value: CelValue, precision: number) => string | undefined;
  readonly exponent: (value: CelValue, precision: number) => string | undefined;
}

export const DEFAULT_PRECISION = 6;

export function inBase(value: CelValue, base: number): string | undefined {
  if (isInt(value)) return value.toString(base);
  return value instanceof CelUint ? value.value.toString(base) : undefined;
}

/** The text of a double that is not finite. */
const nonFinite = (value: number): string => (Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");

/** A double or, in the current dialect, any number as a double. */
function numberOf(value: CelValue): number | undefined {
  if (isDouble(value)) return asDouble(value);
  if (isInt(value)) return Number(value);
  return value instanceof CelUint ? Number(value.value) : undefined;
}

/** Values that both dialects write alike. */
function simpleText(value: CelValue): string | undefined {
  if (value === null) return "null";
  if (typeof value === "boolean" || isInt(value)) return String(value);
  if (value instanceof CelUint) return String(value.value);
  if (value instanceof CelTypeValue) return typeName(value.type);
  if (value instanceof CelTimestamp) return formatTimestamp(value);
  return value instanceof CelDuration ? formatDuration(value) : undefined;
}

type ToText = (value: CelValue) => string | CelError | undefined;

/** The texts of all elements, or the first that is none; an error once they are too long: a list may stand in another many times. */
function textsOf(values: readonly CelValue[], toText: ToText): readonly string[] | CelError | undefined {
  const texts: string[] = [];
  let length = 0;
  for (const value of values) {
    const text = toText(value);
    if (typeof text !== "string") return text;
    length += text.length;
    if (length > MAX_TEXT_LENGTH) return textTooLong();
    texts.push(text);
  }
  return texts;
}

/** `[a, b]`, and `{key: value}` in the order of the keys' texts. */
function collectionText(value: CelValue, keyToText: ToText, toText: ToText, colon: string): string | CelError | undefined {
  if (Array.isArray(value)) {
    const texts = textsOf(value, toText);
    return texts === undefined || texts instanceof CelError ? texts : `[${texts.join(", ")}]`;
  }
  if (!isMap(value)) return undefined;
  const keys = mapKeys(value);
  const keyTexts = textsOf(keys, keyToText);
  if (keyTexts === undefined || keyTexts instanceof CelError) return keyTexts;
  const values = keys.map((key) => mapValue(value, key));
  const valueTexts = textsOf(values, toText);
  if (valueTexts === undefined || valueTexts instanceof CelError) return valueTexts;
  const entries = keyTexts.map((key, index): readonly [string, string] => [key, valueTexts[index] ?? ""]);
  return `{${entries
    .sort(([a], [b]) => compareStrings(a, b))
    .map(([key, text]) => key + colon + text)
    .join(", ")}}`;
}

function standardText(value: CelValue): string | CelError | undefined {
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (isDouble(value)) return standardDecimal(value);
  return simpleText(value) ?? collectionText(value, standardText, standardText, ": ");
}

const standardDecimal = (value: CelValue): string | undefined => {
  if (!isDouble(value)) return inBase(value, 10);
  const number = asDouble(value);
  return Number.isFinite(number) ? formatFixed(number) : nonFinite(number);
};

const standardNumber =
  (write: (value: number, precision: number) => string) =>
  (value: CelValue, precision: number): string | undefined => {
    const number = numberOf(value);
    if (number === undefined) return undefined;
    return Number.isFinite(number) ? write(number, precision) : nonFinite(number);
  };

/** Version 4 and later of the strings extension. */
export const standardDialect: FormatDialect = {
  string: standardText,
  decimal: standardDecimal,
  fixed: standardNumber(formatFixed),
  exponent: standardNumber(formatExponent),
};

function kubernetesText(value: CelValue): string | CelError | undefined {
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) return decodeUtf8(value);
  if (isDouble(value)) return formatDouble(asDouble(value));
  return simpleText(value) ?? collectionText(value, keyLiteral, literal, ":");
}

/** An element of a list or map, as a literal of CEL. */
function literal(value: CelValue): string | CelError | undefined {
  if (typeof value === "string") return quoteAsGo(value);
  if (value instanceof CelTimestamp) return `timestamp("${formatTimestamp(value)}")`;
  if (value instanceof CelDuration) return `duration("${formatDuration(value)}")`;
  if (isDouble(value)) {
    const number = asDouble(value);
    return Number.isFinite(number) ? formatFixed(number, DEFAULT_PRECISION) : `"${formatDouble(number)}"`;
  }
  const text = kubernetesText(value);
  return value instanceof Uint8Array && typeof text === "string" ? `b${quoteAsGo(text)}` : text;
}

const keyLiteral = (key: CelValue): string | undefined => (typeof key === "string" ? quoteAsGo(key) : simpleText(key));

const GO_ESCAPES: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};

/** As `%q` of Go: what is not printable is escaped. */
function quoteAsGo(text: string): string {
  const escaped = text.toWellFormed().replaceAll(/["\\]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x80) return GO_ESCAPES[character] ?? `\\x${code.toString(16).padStart(2, "0")}`;
    return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
  return `"${escaped}"`;
}

const SPELLED_DOUBLES: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
};

/** Doubles, and the names of those that have no literal. */
function kubernetesDouble(value: CelValue): number | undefined {
  return typeof value === "string" ? SPELLED_DOUBLES[value] : isDouble(value) ? asDouble(value) : undefined;
}

const symbol = (value: number): string => (Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "-∞");

function kubernetesFixed(value: CelValue, precision: number): string | undefined {
  const number = kubernetesDouble(value);
  if (number === undefined) return undefined;
  return Number.isFinite(number) ? groupThousands(formatFixed(number + 0, precision)) : symbol(number);
}

/** Kubernetes takes the precision of %e for a width: there are always six digits after the point. */
function kubernetesExponent(value: CelValue, width: number): string | undefined {
  const number = kubernetesDouble(value);
  if (number === undefined) return undefined;
  if (!Number.isFinite(number)) return symbol(number).padStart(width);
  const [mantissa = "", exponent = ""] = formatExponent(number + 0, DEFAULT_PRECISION).split("e");
  const raised = Array.from(exponent.replace("+", ""), (digit) => (digit === "-" ? "⁻" : (SUPERSCRIPTS[Number(digit)] ?? ""))).join("");
  return `${mantissa}×10${raised}`.padStart(width);
}

const SUPERSCRIPTS = ["⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"];

/** Version 2 of the strings extension, the one of Kubernetes. */
export const kubernetesDialect: FormatDialect = {
  string: kubernetesText,
  decimal: (value) => inBase(value, 10),
  fixed: kubernetesFixed,
  exponent: kubernetesExponent,
};
