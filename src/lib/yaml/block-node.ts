/** Block nodes: mappings and sequences by indentation, and the scalars and flow collections in them. */
import type { JsonValue } from "../json.ts";
import { readBlockScalar } from "./block-scalar.ts";
import { type AnchorMark, CHAR, type Cursor } from "./cursor.ts";
import { readFlowCollection } from "./flow-node.ts";
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

/**
 * Where a node stands. `value`, after `key:`: a block collection begins on a later line, a sequence may be as deep as the
 * key. `entry`, after `- ` and `? `: a block collection may begin on this line. `document`: at the start or after `---`.
 */
type Place = "value" | "entry" | "document";

/** What was read on one line before it is known whether it is a key. */
interface Inline {
  readonly scalar: Scalar | null;
  readonly value: JsonValue;
  readonly start: number;
}

/** Reads the node whose content is indented more than `parent`. */
export function readBlockNode(cursor: Cursor, parent: number, place: Place): JsonValue {
  const entryLine = cursor.lineStart;
  const entry = cursor.pos;
  cursor.countNode();
  cursor.skip();
  if (isAbsent(cursor, parent, place, entryLine)) return emptyNode(cursor, entry, null);
  if (!isAtProperties(cursor)) return readContent(cursor, parent, place, entryLine, null);

  const properties = readProperties(cursor);
  return cursor.isLineOver()
    ? readBelowProperties(cursor, parent, place, properties)
    : readContent(cursor, parent, place, entryLine, properties);
}

/** Properties alone on their line are of the whole node that follows. */
function readBelowProperties(cursor: Cursor, parent: number, place: Place, properties: NodeProperties): JsonValue {
  const { anchor, tag } = properties;
  const mark = anchor === null ? null : cursor.beginAnchor();
  const line = cursor.lineStart;
  const end = cursor.pos;
  cursor.skip();
  if (isAbsent(cursor, parent, place, line)) return anchored(cursor, anchor, mark, emptyNode(cursor, end, properties));
  const inner = isAtProperties(cursor) ? readProperties(cursor) : null;
  if (inner === null || !cursor.isLineOver()) return anchored(cursor, anchor, mark, readContent(cursor, parent, place, line, inner, tag));
  if ((anchor !== null && inner.anchor !== null) || (tag !== null && inner.tag !== null))
    cursor.fail("YAML_SYNTAX", "a value cannot have two anchors or two tags", inner.start);
  const value = readBelowProperties(cursor, parent, place, { ...inner, tag: inner.tag ?? tag });
  return anchored(cursor, anchor, mark, value);
}

/** Whether the content that `skip` came to belongs to a later node. */
function isAbsent(cursor: Cursor, parent: number, place: Place, entryLine: number): boolean {
  if (cursor.isDone()) return true;
  if (cursor.lineStart === entryLine) return false;
  if (cursor.indentation > parent) return false;
  const isSequenceOfKey = place === "value" && cursor.indentation === parent && cursor.peek() === CHAR.dash && cursor.isBlankAhead(1);
  return !isSequenceOfKey;
}

function emptyNode(cursor: Cursor, offset: number, properties: NodeProperties | null): JsonValue {
  cursor.nodeStart = offset;
  cursor.nodeEnd = offset;
  cursor.segments = null;
  return properties === null || properties.tag === null ? null : scalarValue(cursor, { text: "", isPlain: true }, properties.tag);
}

/** Reads a node whose content begins at the cursor, behind its `properties`; `outerTag` stands on an earlier line. */
function readContent(
  cursor: Cursor,
  parent: number,
  place: Place,
  entryLine: number,
  properties: NodeProperties | null,
  outerTag: string | null = null,
): JsonValue {
  const start = properties === null ? cursor.pos : properties.start;
  const mayBeCollection = mayBeginCollection(cursor, start, place, entryLine);
  const code = cursor.peek();
  if ((code === CHAR.dash || code === CHAR.question) && cursor.isBlankAhead(1)) {
    const isItem = code === CHAR.dash;
    if (!mayBeCollection || properties !== null) refuseCollection(cursor, isItem ? "a list item" : "a `?` key", start);
    return isItem ? readSequence(cursor, start) : readMapping(cursor, start, null);
  }
  const anchor = properties?.anchor ?? null;
  if (code === CHAR.asterisk && anchor !== null) cursor.fail("YAML_SYNTAX", "an alias cannot have an anchor", start);
  const mark = anchor === null ? null : cursor.beginAnchor();
  const tag = properties?.tag ?? outerTag;
  if (code === CHAR.bar || code === CHAR.greater) {
    const text = readBlockScalar(cursor, parent);
    return anchored(cursor, anchor, mark, scalarValue(cursor, { text, isPlain: false }, tag));
  }
  const line = cursor.lineStart;
  const inline = readInline(cursor);
  const end = cursor.pos;
  if (cursor.lineStart === line && isAtColon(cursor)) {
    if (!mayBeCollection) refuseCollection(cursor, "a key", start);
    const key = keyOf(cursor, inline, properties?.tag ?? null, end);
    anchored(cursor, anchor, mark, key.name);
    return readMapping(cursor, start, key);
  }
  cursor.pos = end;
  return anchored(cursor, anchor, mark, inlineValue(cursor, inline, parent, tag));
}

/** A block collection is indented by spaces alone: it begins its line, or follows `- ` on it. */
function mayBeginCollection(cursor: Cursor, start: number, place: Place, entryLine: number): boolean {
  if (start === cursor.contentStart) return cursor.lineStart !== entryLine || place !== "value";
  return place === "entry" && cursor.text.charCodeAt(start - 1) !== CHAR.tab;
}

function anchored(cursor: Cursor, anchor: string | null, mark: AnchorMark | null, value: JsonValue): JsonValue {
  if (anchor !== null && mark !== null) cursor.endAnchor(anchor, mark, value);
  return value;
}

/** The value of what turned out to be no key; a plain scalar may go on below. */
function inlineValue(cursor: Cursor, { scalar, value, start }: Inline, parent: number, tag: string | null): JsonValue {
  if (scalar === null) return value;
  if (!scalar.isPlain) return scalarValue(cursor, scalar, tag);
  return scalarValue(cursor, { text: continuePlain(cursor, start, parent, false), isPlain: true }, tag);
}

/** Whether `: ` follows on this line. Moves to it. */
function isAtColon(cursor: Cursor): boolean {
  cursor.skipBlanks();
  return cursor.peek() === CHAR.colon && cursor.isBlankAhead(1);
}

/** Reads what may be a key: one line of a plain scalar, a quoted scalar, a flow collection or an alias. */
function readInline(cursor: Cursor): Inline {
  const start = cursor.pos;
  switch (cursor.peek()) {
    case CHAR.doubleQuote:
    case CHAR.singleQuote:
      return { scalar: { text: readQuoted(cursor), isPlain: false }, value: null, start };
    case CHAR.openBracket:
    case CHAR.openBrace:
      return { scalar: null, value: readFlowCollection(cursor), start };
    case CHAR.asterisk:
      return { scalar: null, value: readAlias(cursor), start };
  }
  if (!isPlainStart(cursor, false)) {
    if (cursor.isBlankAhead(1) && cursor.peek() === CHAR.colon) cursor.fail("YAML_KEY", "expected a key before `:`", start);
    const char = String.fromCodePoint(cursor.text.codePointAt(start) ?? 0);
    cursor.fail("YAML_SYNTAX", `unexpected \`${char}\``, start, 1, "put text that begins with this character in quotes");
  }
  const end = readPlainLine(cursor, false);
  cursor.nodeStart = start;
  cursor.nodeEnd = end;
  cursor.segments = null;
  return { scalar: { text: cursor.text.slice(start, end), isPlain: true }, value: null, start };
}

function keyOf(cursor: Cursor, inline: Inline, tag: string | null, end: number): Key {
  const { scalar, value } = inline;
  const isMerge = scalar?.isPlain === true && scalar.text === "<<";
  const name = scalar !== null ? scalarKey(cursor, scalar, tag) : typeof value === "string" ? value : badKey(cursor, "this value");
  return { name, isMerge, start: inline.start, end };
}

/** Reads the mapping whose first key begins at `start`; the cursor is at its `:`, or at `?` when `first` is null. */
function readMapping(cursor: Cursor, start: number, first: Key | null): JsonValue {
  const column = start - cursor.lineStart;
  const mapping = new Mapping(cursor);
  cursor.enterCollection();
  for (let key = first ?? readKey(cursor, column); ; key = readKey(cursor, column)) {
    mapping.add(key, readEntryValue(cursor, column, key));
    if (!isNextEntry(cursor, column, "a key")) break;
  }
  cursor.leaveCollection();
  closeCollection(cursor, start);
  return mapping.entries;
}

/** Reads the value behind the `:` at the cursor. Without one, after an explicit key, it is null. */
function readEntryValue(cursor: Cursor, column: number, key: Key): JsonValue {
  if (cursor.peek() !== CHAR.colon) return emptyNode(cursor, key.end, null);
  cursor.pos++;
  return readBlockNode(cursor, column, cursor.pos - 1 === cursor.contentStart ? "entry" : "value");
}

/** Reads a key of the mapping at `column` and moves to its `:`. */
function readKey(cursor: Cursor, column: number): Key {
  if (cursor.peek() === CHAR.question && cursor.isBlankAhead(1)) return readExplicitKey(cursor, column);
  const properties = isAtProperties(cursor) ? readProperties(cursor) : null;
  const line = cursor.lineStart;
  const inline = readInline(cursor);
  const end = cursor.pos;
  if (cursor.lineStart !== line || !isAtColon(cursor)) {
    const hint = cursor.peek() === CHAR.colon ? "put a space after `:`" : undefined;
    cursor.fail("YAML_SYNTAX", "expected `:` after the key", end, 1, hint);
  }
  const key = keyOf(cursor, inline, properties?.tag ?? null, end);
  if (properties !== null && properties.anchor !== null) cursor.endAnchor(properties.anchor, cursor.beginAnchor(), key.name);
  return key;
}

function readExplicitKey(cursor: Cursor, column: number): Key {
  cursor.pos++;
  const value = readBlockNode(cursor, column, "entry");
  const { nodeStart: start, nodeEnd: end } = cursor;
  if (value === null || typeof value === "object") badKey(cursor, "this value");
  cursor.skip();
  const isAtValue = !cursor.isDone() && cursor.pos === cursor.contentStart && cursor.indentation === column && isAtColon(cursor);
  if (!isAtValue && !cursor.isDone() && cursor.pos !== cursor.contentStart) notExpected(cursor);
  return { name: String(value), isMerge: false, start, end };
}

function readSequence(cursor: Cursor, start: number): JsonValue {
  const column = start - cursor.lineStart;
  const items: JsonValue[] = [];
  cursor.enterCollection();
  do {
    if (cursor.peek() !== CHAR.dash || !cursor.isBlankAhead(1)) {
      // A key as deep as the list that it follows: the list is over.
      break;
    }
    cursor.pos++;
    items.push(readBlockNode(cursor, column, "entry"));
    cursor.recordChild(items, items.length - 1, cursor.nodeStart, cursor.nodeEnd);
  } while (isNextEntry(cursor, column, "a list item"));
  cursor.leaveCollection();
  closeCollection(cursor, start);
  return items;
}

function closeCollection(cursor: Cursor, start: number): void {
  cursor.nodeEnd = Math.max(start, cursor.nodeEnd);
  cursor.nodeStart = start;
  cursor.segments = null;
}

/** Moves to the next content and says whether it is the next entry of the collection at `column`. */
function isNextEntry(cursor: Cursor, column: number, what: string): boolean {
  cursor.skip();
  if (cursor.isDone()) return false;
  if (cursor.pos !== cursor.contentStart) notExpected(cursor);
  if (cursor.indentation > column)
    cursor.fail("YAML_INDENTATION", `expected ${what} in column ${column + 1}, got one in column ${cursor.indentation + 1}`, cursor.pos);
  return cursor.indentation === column;
}

/** Refuses content where the line should be over. */
function notExpected(cursor: Cursor): never {
  const { text, pos, contentStart } = cursor;
  if (text.charCodeAt(contentStart) === CHAR.tab && text.slice(contentStart, pos).trim() === "")
    cursor.fail("YAML_TAB", "expected spaces as indentation, got a tab", contentStart, 1, "replace tabs by spaces");
  if (text.charCodeAt(pos) === CHAR.colon) {
    cursor.fail("YAML_SYNTAX", "unexpected `:`", pos, 1, cursor.isBlankAhead(1) ? "put text with `: ` in quotes" : "put a space after `:`");
  }
  const hint = text.charCodeAt(pos) === CHAR.hash ? "put a space before `#` to begin a comment" : undefined;
  return cursor.fail("YAML_SYNTAX", "expected the end of the line", pos, 1, hint);
}

function refuseCollection(cursor: Cursor, what: string, start: number): never {
  const { text, contentStart, pos } = cursor;
  if (text.charCodeAt(contentStart) === CHAR.tab && text.slice(contentStart, pos).trimStart() === text.slice(start, pos))
    cursor.fail("YAML_TAB", "expected spaces as indentation, got a tab", contentStart, 1, "replace tabs by spaces");
  const hint = what === "a key" ? "put text with `: ` in quotes, or begin the mapping on the next line" : "begin it on the next line";
  return cursor.fail("YAML_SYNTAX", `${what} cannot stand here`, start, pos - start, hint);
}
