/** Flow collections, `[a, b]` and `{a: b}`: JSON is written in these. */
import type { JsonValue } from "../json.ts";
import { CHAR, type Cursor } from "./cursor.ts";
import { type Key, Mapping } from "./mapping.ts";
import {
  badKey,
  isAtProperties,
  type NodeProperties,
  readAlias,
  readProperties,
  type Scalar,
  scalarKey,
  scalarValue,
} from "./node-properties.ts";
import { continuePlain, isPlainStart, readPlainLine } from "./plain-scalar.ts";
import { readQuoted } from "./quoted-scalar.ts";

/** What stands in a flow collection before it is known whether it is a key: a scalar as written, or a value. */
type FlowItem = { readonly scalar: Scalar; readonly tag: string | null } | { readonly value: JsonValue };

const EMPTY: Scalar = { text: "", isPlain: true };

/** Reads the flow collection at the cursor, which is at `[` or `{`. */
export function readFlowCollection(cursor: Cursor): JsonValue {
  const start = cursor.pos;
  cursor.enterCollection();
  cursor.pos++;
  const value = cursor.text.charCodeAt(start) === CHAR.openBracket ? readSequence(cursor, start) : readMapping(cursor, start);
  cursor.leaveCollection();
  cursor.nodeStart = start;
  cursor.nodeEnd = cursor.pos;
  cursor.segments = null;
  return value;
}

function readSequence(cursor: Cursor, start: number): JsonValue {
  const items: JsonValue[] = [];
  while (!isAtClose(cursor, start, CHAR.closeBracket)) {
    const isExplicit = skipQuestion(cursor);
    const itemStart = cursor.pos;
    const item = readItem(cursor);
    const itemEnd = cursor.pos;
    if (isAtColon(cursor, itemEnd) || isExplicit) {
      // `[a: b]` is a list of one-entry mappings.
      cursor.enterCollection();
      const mapping = new Mapping(cursor);
      addEntry(cursor, mapping, itemKey(cursor, item, itemStart, itemEnd), itemEnd);
      cursor.leaveCollection();
      cursor.nodeStart = itemStart;
      cursor.nodeEnd = cursor.pos;
      cursor.segments = null;
      items.push(mapping.entries);
    } else {
      items.push(itemValue(cursor, item));
    }
    cursor.countNode();
    cursor.recordChild(items, items.length - 1, cursor.nodeStart, cursor.nodeEnd);
    skipComma(cursor, start, CHAR.closeBracket);
  }
  cursor.pos++;
  return items;
}

function readMapping(cursor: Cursor, start: number): JsonValue {
  const mapping = new Mapping(cursor);
  while (!isAtClose(cursor, start, CHAR.closeBrace)) {
    skipQuestion(cursor);
    const keyStart = cursor.pos;
    const item = readItem(cursor);
    const keyEnd = cursor.pos;
    addEntry(cursor, mapping, itemKey(cursor, item, keyStart, keyEnd), keyEnd);
    skipComma(cursor, start, CHAR.closeBrace);
  }
  cursor.pos++;
  return mapping.entries;
}

/** Reads `: value` where it follows the key; without it the value is null. */
function addEntry(cursor: Cursor, mapping: Mapping, key: Key, keyEnd: number): void {
  cursor.countNode();
  let value: JsonValue = null;
  if (isAtColon(cursor, keyEnd)) {
    cursor.pos++;
    skipInFlow(cursor);
    value = itemValue(cursor, readItem(cursor));
  } else {
    markEmpty(cursor, keyEnd);
  }
  mapping.add(key, value);
}

/** Whether a `:` that separates a key from its value follows. Moves to it. */
function isAtColon(cursor: Cursor, keyEnd: number): boolean {
  skipInFlow(cursor);
  if (cursor.peek() !== CHAR.colon) return false;
  if (cursor.isBlankAhead(1)) return true;
  // As in JSON, no space is needed after a quoted key or a collection.
  const before = cursor.text.charCodeAt(keyEnd - 1);
  return (
    before === CHAR.doubleQuote ||
    before === CHAR.singleQuote ||
    before === CHAR.closeBracket ||
    before === CHAR.closeBrace ||
    !isPlainStart(cursor, true)
  );
}

function readItem(cursor: Cursor): FlowItem {
  if (!isAtProperties(cursor)) return readContent(cursor, null);
  const properties = readProperties(cursor);
  skipInFlow(cursor);
  const { anchor } = properties;
  if (anchor === null) return readContent(cursor, properties);
  const mark = cursor.beginAnchor();
  const item = readContent(cursor, properties);
  const value = itemValue(cursor, item);
  cursor.endAnchor(anchor, mark, value);
  return item;
}

function readContent(cursor: Cursor, properties: NodeProperties | null): FlowItem {
  const tag = properties?.tag ?? null;
  switch (cursor.peek()) {
    case CHAR.openBracket:
    case CHAR.openBrace:
      return { value: readFlowCollection(cursor) };
    case CHAR.doubleQuote:
    case CHAR.singleQuote:
      return { scalar: { text: readQuoted(cursor), isPlain: false }, tag };
    case CHAR.asterisk:
      return { value: readAlias(cursor) };
  }
  if (!isPlainStart(cursor, true)) {
    if (properties === null && !isAtSeparator(cursor)) unexpected(cursor);
    markEmpty(cursor, cursor.pos);
    return { scalar: EMPTY, tag };
  }
  const start = cursor.pos;
  readPlainLine(cursor, true);
  return { scalar: { text: continuePlain(cursor, start, -1, true), isPlain: true }, tag };
}

/** At what may follow an empty value. */
function isAtSeparator(cursor: Cursor): boolean {
  const code = cursor.peek();
  return code === CHAR.closeBrace || code === CHAR.closeBracket || code === CHAR.comma || code === CHAR.colon;
}

function itemValue(cursor: Cursor, item: FlowItem): JsonValue {
  return "scalar" in item ? scalarValue(cursor, item.scalar, item.tag) : item.value;
}

function itemKey(cursor: Cursor, item: FlowItem, start: number, end: number): Key {
  if ("scalar" in item) {
    const { scalar, tag } = item;
    return { name: scalarKey(cursor, scalar, tag), isMerge: scalar.isPlain && scalar.text === "<<", start, end };
  }
  if (typeof item.value === "string") return { name: item.value, isMerge: false, start, end };
  return badKey(cursor, "this value");
}

function markEmpty(cursor: Cursor, offset: number): void {
  cursor.nodeStart = offset;
  cursor.nodeEnd = offset;
  cursor.segments = null;
}

function skipQuestion(cursor: Cursor): boolean {
  if (cursor.peek() !== CHAR.question || !cursor.isBlankAhead(1)) return false;
  cursor.pos++;
  skipInFlow(cursor);
  return true;
}

function skipInFlow(cursor: Cursor): void {
  cursor.skip();
  if (cursor.pos === cursor.lineStart && cursor.isMarker()) unexpected(cursor);
}

function isAtClose(cursor: Cursor, start: number, close: number): boolean {
  skipInFlow(cursor);
  if (cursor.pos >= cursor.text.length) unclosed(cursor, start, close);
  if (cursor.peek() === CHAR.comma) cursor.fail("YAML_SYNTAX", "expected a value before `,`", cursor.pos);
  return cursor.peek() === close;
}

function skipComma(cursor: Cursor, start: number, close: number): void {
  skipInFlow(cursor);
  if (cursor.peek() === CHAR.comma) cursor.pos++;
  else if (cursor.pos >= cursor.text.length) unclosed(cursor, start, close);
  else if (cursor.peek() !== close) {
    const hint = cursor.peek() === CHAR.colon ? "put a space after `:`, or the text in quotes" : undefined;
    cursor.fail("YAML_SYNTAX", `expected \`,\` or \`${String.fromCharCode(close)}\``, cursor.pos, 1, hint);
  }
}

function unclosed(cursor: Cursor, start: number, close: number): never {
  return cursor.fail("YAML_SYNTAX", `expected a closing \`${String.fromCharCode(close)}\``, start);
}

function unexpected(cursor: Cursor): never {
  const char = String.fromCodePoint(cursor.text.codePointAt(cursor.pos) ?? 32);
  const what = cursor.pos >= cursor.text.length ? "the end of the text" : `\`${char}\``;
  return cursor.fail("YAML_SYNTAX", `unexpected ${what}`, cursor.pos, 1, "put text that begins with this character in quotes");
}
