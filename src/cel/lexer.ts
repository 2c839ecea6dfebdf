import { err, ok, type Result } from "../lib/result.ts";
import { TOKEN, type TokenKind, type Tokens } from "./token.ts";

/** A place where no token can start, or where a token does not end. */
export interface LexicalError {
  readonly message: string;
  readonly start: number;
  readonly end: number;
  readonly hint?: string;
}

const IDENTIFIER_START = 1;
const IDENTIFIER_PART = 2;
const DIGIT = 4;
const HEX_DIGIT = 8;
const ESCAPED_PART = 16;
const CLASSES: Uint8Array = classTable();

function classTable(): Uint8Array {
  const table = new Uint8Array(128);
  const add = (characters: string, bits: number): void => {
    for (let i = 0; i < characters.length; i++) table[characters.charCodeAt(i)] = (table[characters.charCodeAt(i)] ?? 0) | bits;
  };
  add("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", IDENTIFIER_START | IDENTIFIER_PART | ESCAPED_PART);
  add("0123456789", IDENTIFIER_PART | ESCAPED_PART | DIGIT | HEX_DIGIT);
  add("abcdefABCDEF", HEX_DIGIT);
  add(".-/ ", ESCAPED_PART);
  return table;
}

const SINGLE_CHARACTER_TOKENS: ReadonlyMap<number, TokenKind> = new Map(
  Object.entries({
    "(": TOKEN.leftParen,
    ")": TOKEN.rightParen,
    "[": TOKEN.leftBracket,
    "]": TOKEN.rightBracket,
    "{": TOKEN.leftBrace,
    "}": TOKEN.rightBrace,
    ".": TOKEN.dot,
    ",": TOKEN.comma,
    "?": TOKEN.question,
    ":": TOKEN.colon,
    "-": TOKEN.minus,
    "+": TOKEN.plus,
    "*": TOKEN.times,
    "/": TOKEN.divide,
    "%": TOKEN.modulo,
    "<": TOKEN.less,
    ">": TOKEN.greater,
    "!": TOKEN.not,
  }).map(([character, kind]) => [character.charCodeAt(0), kind]),
);

const hasClass = (code: number, bits: number): boolean => code < 128 && ((CLASSES[code] ?? 0) & bits) !== 0;

/** Splits an expression into tokens; white space and `//` comments are dropped. Linear in the length of the text. */
export function tokenize(text: string): Result<Tokens, LexicalError> {
  const kinds: TokenKind[] = [];
  const starts: number[] = [];
  const ends: number[] = [];
  let position = 0;
  for (;;) {
    position = skipBlank(text, position);
    if (position >= text.length) break;
    const token = scanToken(text, position);
    if (typeof token !== "number") return err(token);
    const end = Math.floor(token / KIND_SPACE);
    kinds.push((token % KIND_SPACE) as TokenKind); // only `pack` makes these numbers, out of a TokenKind
    starts.push(position);
    ends.push(end);
    position = end;
  }
  kinds.push(TOKEN.end);
  starts.push(text.length);
  ends.push(text.length);
  return ok({ kinds, starts, ends });
}

/** Token kinds are below this, so that a kind and an end offset fit into one small integer and scanning allocates nothing. */
const KIND_SPACE = 64;
const pack = (kind: TokenKind, end: number): number => end * KIND_SPACE + kind;

function skipBlank(text: string, from: number): number {
  let position = from;
  for (;;) {
    const code = text.charCodeAt(position);
    if (code === 0x20 || code === 0x0a || code === 0x09 || code === 0x0d || code === 0x0c) {
      position++;
    } else if (code === 0x2f /* / */ && text.charCodeAt(position + 1) === 0x2f) {
      const newline = text.indexOf("\n", position);
      if (newline === -1) return text.length;
      position = newline + 1;
    } else {
      return position;
    }
  }
}

function scanToken(text: string, start: number): number | LexicalError {
  const code = text.charCodeAt(start);
  if (hasClass(code, IDENTIFIER_START)) return scanWord(text, start, code);
  if (hasClass(code, DIGIT)) return scanNumber(text, start);
  if (code === 0x2e /* . */ && hasClass(text.charCodeAt(start + 1), DIGIT)) return scanNumber(text, start);
  if (code === 0x22 || code === 0x27) return scanString(text, start, start, false, TOKEN.string);
  if (code === 0x60 /* ` */) return scanEscapedIdentifier(text, start);
  return scanOperator(text, start, code);
}

function scanOperator(text: string, start: number, code: number): number | LexicalError {
  const next = text.charCodeAt(start + 1);
  if (next === 0x3d /* = */) {
    if (code === 0x3d) return pack(TOKEN.equal, start + 2);
    if (code === 0x21) return pack(TOKEN.notEqual, start + 2);
    if (code === 0x3c) return pack(TOKEN.lessEqual, start + 2);
    if (code === 0x3e) return pack(TOKEN.greaterEqual, start + 2);
  }
  if (code === 0x26 && next === 0x26) return pack(TOKEN.and, start + 2);
  if (code === 0x7c && next === 0x7c) return pack(TOKEN.or, start + 2);
  const kind = SINGLE_CHARACTER_TOKENS.get(code);
  return kind === undefined ? unexpectedCharacter(text, start) : pack(kind, start + 1);
}

const DOUBLED: Readonly<Record<string, string>> = { "=": "==", "&": "&&", "|": "||" };

function unexpectedCharacter(text: string, start: number): LexicalError {
  const character = String.fromCodePoint(text.codePointAt(start) ?? 0);
  const doubled = DOUBLED[character];
  const error = { message: `unexpected character \`${character}\``, start, end: start + character.length };
  return doubled === undefined ? error : { ...error, hint: `did you mean \`${doubled}\`?` };
}

function scanWord(text: string, start: number, first: number): number | LexicalError {
  const next = text.charCodeAt(start + 1);
  if (next === 0x22 || next === 0x27) {
    if (first === 0x72 || first === 0x52 /* r R */) return scanString(text, start, start + 1, true, TOKEN.string);
    if (first === 0x62 || first === 0x42 /* b B */) return scanString(text, start, start + 1, false, TOKEN.bytes);
  } else if ((first === 0x62 || first === 0x42) && (next === 0x72 || next === 0x52)) {
    const quote = text.charCodeAt(start + 2);
    if (quote === 0x22 || quote === 0x27) return scanString(text, start, start + 2, true, TOKEN.bytes);
  }
  let end = start + 1;
  while (hasClass(text.charCodeAt(end), IDENTIFIER_PART)) end++;
  return pack(wordKind(text, start, end - start), end);
}

function wordKind(text: string, start: number, length: number): TokenKind {
  if (length === 2 && text.startsWith("in", start)) return TOKEN.in;
  if (length === 4 && text.startsWith("true", start)) return TOKEN.true;
  if (length === 4 && text.startsWith("null", start)) return TOKEN.null;
  if (length === 5 && text.startsWith("false", start)) return TOKEN.false;
  return TOKEN.identifier;
}

function scanEscapedIdentifier(text: string, start: number): number | LexicalError {
  let end = start + 1;
  while (hasClass(text.charCodeAt(end), ESCAPED_PART)) end++;
  if (text.charCodeAt(end) === 0x60 && end > start + 1) return pack(TOKEN.escapedIdentifier, end + 1);
  return {
    message: "malformed quoted field name",
    start,
    end: Math.min(end + 1, text.length),
    hint: "between backticks stand letters, digits, `_`, `.`, `-`, `/` and spaces",
  };
}

function scanNumber(text: string, start: number): number {
  if (text.charCodeAt(start) === 0x30 && text.charCodeAt(start + 1) === 0x78 && hasClass(text.charCodeAt(start + 2), HEX_DIGIT)) {
    let end = start + 3;
    while (hasClass(text.charCodeAt(end), HEX_DIGIT)) end++;
    return endInteger(text, end);
  }
  let end = skipDigits(text, start);
  let isDouble = false;
  if (text.charCodeAt(end) === 0x2e && hasClass(text.charCodeAt(end + 1), DIGIT)) {
    isDouble = true;
    end = skipDigits(text, end + 1);
  }
  const exponent = exponentEnd(text, end);
  if (exponent !== end) return pack(TOKEN.double, exponent);
  return isDouble ? pack(TOKEN.double, end) : endInteger(text, end);
}

function endInteger(text: string, end: number): number {
  const suffix = text.charCodeAt(end);
  return suffix === 0x75 || suffix === 0x55 /* u U */ ? pack(TOKEN.uint, end + 1) : pack(TOKEN.int, end);
}

function skipDigits(text: string, from: number): number {
  let end = from;
  while (hasClass(text.charCodeAt(end), DIGIT)) end++;
  return end;
}

function exponentEnd(text: string, from: number): number {
  const marker = text.charCodeAt(from);
  if (marker !== 0x65 && marker !== 0x45 /* e E */) return from;
  const sign = text.charCodeAt(from + 1);
  const digits = sign === 0x2b || sign === 0x2d ? from + 2 : from + 1;
  return hasClass(text.charCodeAt(digits), DIGIT) ? skipDigits(text, digits) : from;
}

/** `quoteAt` is where the opening quote stands, after any prefix. Escapes are only stepped over here; `literal.ts` judges them. */
function scanString(text: string, start: number, quoteAt: number, isRaw: boolean, kind: TokenKind): number | LexicalError {
  const quote = text.charCodeAt(quoteAt);
  const isTriple = text.charCodeAt(quoteAt + 1) === quote && text.charCodeAt(quoteAt + 2) === quote;
  let end = quoteAt + (isTriple ? 3 : 1);
  for (; end < text.length; end++) {
    const code = text.charCodeAt(end);
    if (code === 0x5c /* \ */ && !isRaw) {
      end++;
    } else if (code === quote) {
      if (!isTriple) return pack(kind, end + 1);
      if (text.charCodeAt(end + 1) === quote && text.charCodeAt(end + 2) === quote) return pack(kind, end + 3);
    } else if (!isTriple && (code === 0x0a || code === 0x0d)) {
      break;
    }
  }
  const mark = String.fromCharCode(quote).repeat(isTriple ? 3 : 1);
  return { message: "unterminated string", start, end: Math.min(end, text.length), hint: `expected a closing \`${mark}\`` };
}
