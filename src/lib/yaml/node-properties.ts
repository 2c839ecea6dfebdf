/** What may stand before a node: a tag and an anchor; and aliases, which stand for one. */
import type { JsonValue } from "../json.ts";
import { CHAR, type Cursor } from "./cursor.ts";
import { plainKey, plainValue } from "./plain-value.ts";

export interface NodeProperties {
  readonly start: number;
  readonly anchor: string | null;
  /** `str`, `int`, … for the tags of YAML itself; `!` for any other; null for none. */
  readonly tag: string | null;
}

/** A scalar as written, before it is known whether it is a key or a value. */
export interface Scalar {
  readonly text: string;
  readonly isPlain: boolean;
}

const YAML_TAG = /^(?:!!|!<tag:yaml\.org,2002:)([a-z]+)>?$/;

/** Whether a tag or an anchor stands at the cursor. */
export function isAtProperties(cursor: Cursor): boolean {
  const code = cursor.peek();
  return code === CHAR.ampersand || code === CHAR.exclamation;
}

/** Reads the properties at the cursor and the blanks behind them. */
export function readProperties(cursor: Cursor): NodeProperties {
  const start = cursor.pos;
  let anchor: string | null = null;
  let tag: string | null = null;
  for (;;) {
    const code = cursor.peek();
    if (code === CHAR.ampersand && anchor === null) anchor = readName(cursor, "an anchor").slice(1);
    else if (code === CHAR.exclamation && tag === null) {
      const written = readName(cursor, "a tag", true);
      tag = YAML_TAG.exec(written)?.[1] ?? "!";
    } else return { start, anchor, tag };
    if (!cursor.isBlankAhead(0) && !isFlowEnd(cursor.peek()))
      cursor.fail("YAML_SYNTAX", "expected a space after the tag or anchor", cursor.pos);
    cursor.skipBlanks();
  }
}

/** Reads `*name` and returns what it stands for. */
export function readAlias(cursor: Cursor): JsonValue {
  const start = cursor.pos;
  const name = readName(cursor, "an alias").slice(1);
  cursor.nodeStart = start;
  cursor.nodeEnd = cursor.pos;
  cursor.segments = null;
  return cursor.resolveAlias(name, start);
}

const isFlowEnd = (code: number): boolean => code === CHAR.comma || code === CHAR.closeBracket || code === CHAR.closeBrace;

/** An anchor's, alias' or tag's name with its indicator. */
function readName(cursor: Cursor, what: string, isTag: boolean = false): string {
  const start = cursor.pos++;
  const isVerbatim = isTag && cursor.text[cursor.pos] === "<";
  while (!cursor.isBlankAhead(0) && (isVerbatim || !/[,[\]{}]/.test(cursor.text.charAt(cursor.pos)))) cursor.pos++;
  if (cursor.pos === start + 1 && !isTag) cursor.fail("YAML_SYNTAX", `expected the name of ${what}`, start);
  return cursor.text.slice(start, cursor.pos);
}

/** The value of a scalar under its tag. */
export function scalarValue(cursor: Cursor, scalar: Scalar, tag: string | null): JsonValue {
  if (tag === null && !scalar.isPlain) return scalar.text;
  const value = tag === null || isCoreScalarTag(tag) ? plainValue(scalar.text) : scalar.text;
  const { nodeStart, nodeEnd } = cursor;
  if (value === undefined) {
    return cursor.fail(
      "YAML_VALUE",
      `\`${scalar.text}\` is not a number that JSON can hold`,
      nodeStart,
      nodeEnd - nodeStart,
      "put it in quotes to mean the text",
    );
  }
  if (tag === null) return value;
  if (tag === "binary") return decodeBinary(cursor, scalar.text);
  if (fitsTag(tag, value)) return value;
  return cursor.fail("YAML_VALUE", `\`${scalar.text}\` does not fit the tag \`!!${tag}\``, nodeStart, nodeEnd - nodeStart);
}

const isCoreScalarTag = (tag: string): boolean => tag === "int" || tag === "float" || tag === "bool" || tag === "null";

function fitsTag(tag: string, value: JsonValue): boolean {
  switch (tag) {
    case "int":
      return typeof value === "bigint" || Number.isInteger(value);
    case "float":
      return typeof value === "bigint" || typeof value === "number";
    case "bool":
      return typeof value === "boolean";
    case "null":
      return value === null;
    default:
      return true;
  }
}

function decodeBinary(cursor: Cursor, text: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)));
  } catch {
    return cursor.fail("YAML_VALUE", "expected base64 after the tag `!!binary`", cursor.nodeStart, cursor.nodeEnd - cursor.nodeStart);
  }
}

/** The string that a scalar is as a key. */
export function scalarKey(cursor: Cursor, scalar: Scalar, tag: string | null): string {
  if (!scalar.isPlain || tag === "str" || tag === "!") return scalar.text;
  return plainKey(scalar.text) ?? badKey(cursor, `\`${scalar.text}\``);
}

/** Refuses what is no key of a JSON object. */
export function badKey(cursor: Cursor, what: string): never {
  return cursor.fail(
    "YAML_KEY",
    `${what} cannot be a key`,
    cursor.nodeStart,
    cursor.nodeEnd - cursor.nodeStart,
    "a key is a string, a number or a boolean",
  );
}
