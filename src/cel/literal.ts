/** Values of literal tokens. The lexer has checked their shape; ranges and escapes are judged here. */
import { err, ok, type Result } from "../lib/result.ts";
import type { LiteralValue } from "./ast.ts";
import { quoteInput } from "./diagnostic.ts";
import { TOKEN, type TokenKind } from "./token.ts";

export interface LiteralError {
  readonly message: string;
  /** Offsets into the text of the expression. */
  readonly start: number;
  readonly end: number;
  readonly hint?: string;
}

const MIN_INT = -(2n ** 63n);
const MAX_INT = 2n ** 63n - 1n;
const MAX_UINT = 2n ** 64n - 1n;

/** The value of a token, or undefined when the token is no literal. `isNegative` says that a minus stands before the number. */
export function parseLiteral(
  kind: TokenKind,
  text: string,
  start: number,
  end: number,
  isNegative: boolean,
): Result<LiteralValue, LiteralError> | undefined {
  switch (kind) {
    case TOKEN.true:
    case TOKEN.false:
      return ok({ type: "bool", value: kind === TOKEN.true });
    case TOKEN.null:
      return ok({ type: "null" });
    case TOKEN.int: {
      const magnitude = BigInt(text.slice(start, end));
      const value = isNegative ? -magnitude : magnitude;
      return value < MIN_INT || value > MAX_INT ? outOfRange("int", text, start, end) : ok({ type: "int", value });
    }
    case TOKEN.uint: {
      const value = BigInt(text.slice(start, end - 1));
      return value > MAX_UINT ? outOfRange("uint", text, start, end) : ok({ type: "uint", value });
    }
    case TOKEN.double: {
      const value = Number(text.slice(start, end));
      return Number.isFinite(value) ? ok({ type: "double", value: isNegative ? -value : value }) : outOfRange("double", text, start, end);
    }
    case TOKEN.string: {
      const parsed = parseString(text, start, end);
      return parsed.ok ? ok({ type: "string", value: parsed.value }) : parsed;
    }
    case TOKEN.bytes: {
      const parsed = parseBytes(text, start, end);
      return parsed.ok ? ok({ type: "bytes", value: parsed.value }) : parsed;
    }
    default:
      return undefined;
  }
}

function outOfRange(type: string, text: string, start: number, end: number): Result<never, LiteralError> {
  return err({ message: `${type} literal ${quoteInput(text.slice(start, end))} is out of range`, start, end });
}

/** The content of a string literal, prefix and quotes included in `start` and `end`. */
function parseString(text: string, start: number, end: number): Result<string, LiteralError> {
  const { from, to, isRaw } = contentOf(text, start, end);
  const content = text.slice(from, to);
  if (isRaw || !content.includes("\\")) return ok(normaliseNewlines(content));
  let result = "";
  let position = from;
  for (;;) {
    const backslash = text.indexOf("\\", position);
    if (backslash === -1 || backslash >= to) return ok(result + normaliseNewlines(text.slice(position, to)));
    const escaped = readEscape(text, backslash, to);
    if (escaped === undefined || !isScalarValue(escaped.value))
      return err(escapeError(text, backslash, escaped?.end ?? backslash + 2, "string"));
    result += normaliseNewlines(text.slice(position, backslash)) + String.fromCodePoint(escaped.value);
    position = escaped.end;
  }
}

const encoder = new TextEncoder();

/** The content of a bytes literal: characters as UTF-8, `\x` and octal escapes as single bytes. */
function parseBytes(text: string, start: number, end: number): Result<Uint8Array, LiteralError> {
  const { from, to, isRaw } = contentOf(text, start, end);
  if (isRaw) return ok(encoder.encode(normaliseNewlines(text.slice(from, to))));
  const bytes: number[] = [];
  const append = (content: string): void => {
    for (const byte of encoder.encode(normaliseNewlines(content))) bytes.push(byte);
  };
  let position = from;
  for (;;) {
    const backslash = text.indexOf("\\", position);
    if (backslash === -1 || backslash >= to) {
      append(text.slice(position, to));
      return ok(Uint8Array.from(bytes));
    }
    const escaped = readEscape(text, backslash, to);
    if (escaped === undefined || escaped.isUnicode) return err(escapeError(text, backslash, escaped?.end ?? backslash + 2, "bytes"));
    append(text.slice(position, backslash));
    bytes.push(escaped.value);
    position = escaped.end;
  }
}

function contentOf(text: string, start: number, end: number): { from: number; to: number; isRaw: boolean } {
  let quoteAt = start;
  let isRaw = false;
  for (; ; quoteAt++) {
    const code = text.charCodeAt(quoteAt);
    if (code === 0x22 || code === 0x27) break;
    isRaw = code === 0x72 || code === 0x52;
  }
  const mark = text.slice(quoteAt, quoteAt + 3);
  const width = mark === '"""' || mark === "'''" ? 3 : 1;
  // `""` followed by the same quote cannot occur: the lexer would have taken it for a triple quote.
  return { from: quoteAt + width, to: end - width, isRaw };
}

const normaliseNewlines = (content: string): string => (content.includes("\r") ? content.replaceAll(/\r\n?/g, "\n") : content);

const SIMPLE_ESCAPES: ReadonlyMap<string, number> = new Map([
  ["a", 0x07],
  ["b", 0x08],
  ["f", 0x0c],
  ["n", 0x0a],
  ["r", 0x0d],
  ["t", 0x09],
  ["v", 0x0b],
  ["\\", 0x5c],
  ["'", 0x27],
  ['"', 0x22],
  ["`", 0x60],
  ["?", 0x3f],
]);
const HEX_WIDTHS: ReadonlyMap<string, number> = new Map([
  ["x", 2],
  ["X", 2],
  ["u", 4],
  ["U", 8],
]);

interface Escape {
  readonly value: number;
  /** Offset after the escaped. */
  readonly end: number;
  /** `\u` and `\U` name a code point, which bytes literals do not allow. */
  readonly isUnicode: boolean;
}

function readEscape(text: string, backslash: number, limit: number): Escape | undefined {
  const letter = text.charAt(backslash + 1);
  const simple = SIMPLE_ESCAPES.get(letter);
  if (simple !== undefined) return { value: simple, end: backslash + 2, isUnicode: false };
  const hexWidth = HEX_WIDTHS.get(letter);
  if (hexWidth !== undefined) {
    const value = readDigits(text, backslash + 2, hexWidth, 16, limit);
    return value === undefined ? undefined : { value, end: backslash + 2 + hexWidth, isUnicode: hexWidth > 2 };
  }
  if (letter < "0" || letter > "3") return undefined;
  const value = readDigits(text, backslash + 1, 3, 8, limit);
  return value === undefined ? undefined : { value, end: backslash + 4, isUnicode: false };
}

function readDigits(text: string, from: number, width: number, radix: number, limit: number): number | undefined {
  if (from + width > limit) return undefined;
  let value = 0;
  for (let position = from; position < from + width; position++) {
    const digit = digitValue(text.charCodeAt(position));
    if (digit >= radix) return undefined;
    value = value * radix + digit;
  }
  return value;
}

/** The value of a hexadecimal digit, 99 for any other character. */
function digitValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : 99;
}

const isScalarValue = (value: number): boolean => value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);

function escapeError(text: string, start: number, end: number, kind: "string" | "bytes"): LiteralError {
  const escaped = text.slice(start, end);
  const hint = `write \`\\${escaped}\` for the characters themselves, or put an \`r\` before the quote`;
  return { message: `invalid escape \`${escaped}\` in ${kind} literal`, start, end, hint };
}
