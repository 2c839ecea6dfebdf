import type { JsonValue } from "../json.ts";
import type { Span, Spans } from "./span.ts";

/** Codes of what makes a YAML text unreadable. Each is a row in ERRORS.md. */
export type YamlErrorCode =
  | "YAML_SYNTAX"
  | "YAML_INDENTATION"
  | "YAML_TAB"
  | "YAML_CHARACTER"
  | "YAML_DUPLICATE_KEY"
  | "YAML_KEY"
  | "YAML_ALIAS"
  | "YAML_VALUE"
  | "YAML_DEPTH"
  | "YAML_TOO_MANY";

/** Why a document cannot be read. `offset` and `length` are UTF-16 units of the whole text. */
export interface YamlError {
  readonly code: YamlErrorCode;
  readonly message: string;
  readonly offset: number;
  readonly length: number;
  readonly hint?: string;
}

/** Carries a `YamlError` from where the mistake is seen to where the document began; never leaves this folder. */
export class YamlFailure extends Error {
  readonly error: YamlError;
  constructor(error: YamlError) {
    super(error.message);
    this.error = error;
  }
}

export interface YamlLimits {
  /** Documents in one text. */
  readonly documents: number;
  /** Nested mappings and sequences. */
  readonly depth: number;
  /** Nodes that aliases repeat, per document. */
  readonly aliasNodes: number;
}

export const CHAR = {
  tab: 9,
  lineFeed: 10,
  carriageReturn: 13,
  space: 32,
  exclamation: 33,
  doubleQuote: 34,
  hash: 35,
  percent: 37,
  ampersand: 38,
  singleQuote: 39,
  asterisk: 42,
  comma: 44,
  dash: 45,
  dot: 46,
  zero: 48,
  nine: 57,
  colon: 58,
  greater: 62,
  question: 63,
  at: 64,
  openBracket: 91,
  backslash: 92,
  closeBracket: 93,
  backtick: 96,
  openBrace: 123,
  bar: 124,
  closeBrace: 125,
  byteOrderMark: 0xfeff,
} as const;

/** What an anchor names. `nodes` counts it with everything below, aliases expanded; `height` is its nesting. */
interface Anchor {
  readonly value: JsonValue;
  readonly nodes: number;
  readonly height: number;
}

/** What was counted before an anchored node. */
export interface AnchorMark {
  readonly nodes: number;
  readonly deepest: number;
}

/** Where the line that holds `pos` begins; a byte order mark at the start of the text is no part of it. */
function lineStartBefore(text: string, pos: number): number {
  let start = pos;
  while (start > 0 && text.charCodeAt(start - 1) !== CHAR.lineFeed && text.charCodeAt(start - 1) !== CHAR.carriageReturn) start--;
  return start === 0 && text.charCodeAt(0) === CHAR.byteOrderMark ? 1 : start;
}

/** The state of reading one text: where it is, and what the current document has defined so far. */
export class Cursor {
  readonly text: string;
  readonly limits: YamlLimits;
  pos: number;
  /** Where the content of the current document may begin: behind its `---`. */
  entry: number;
  /** Offset of the first character of the current line. */
  lineStart: number;
  /** Offset of the first character of the current line that is no space: `contentStart - lineStart` is its indentation. */
  contentStart = 0;
  /** The document's spans when positions are asked for: the second pass. */
  readonly spans: Spans | null;
  /** The node that was read last: its offsets and, where its text is not a slice of the source, the map of its offsets. */
  nodeStart = 0;
  nodeEnd = 0;
  segments: readonly number[] | null = null;

  #anchors: Map<string, Anchor> | null = null;
  #depth = 0;
  #deepest = 0;
  #nodes = 0;
  #aliasNodes = 0;

  constructor(text: string, pos: number, limits: YamlLimits, spans: Spans | null) {
    this.text = text;
    this.limits = limits;
    this.spans = spans;
    this.pos = pos;
    this.entry = pos;
    this.lineStart = lineStartBefore(text, pos);
    this.measureIndentation();
  }

  startDocument(): void {
    this.entry = this.pos;
    this.#anchors = null;
    this.#depth = 0;
    this.#deepest = 0;
    this.#nodes = 0;
    this.#aliasNodes = 0;
  }

  /** The character code at the cursor; NaN at the end of the text. */
  peek(): number {
    return this.text.charCodeAt(this.pos);
  }

  /** Indentation of the current line. */
  get indentation(): number {
    return this.contentStart - this.lineStart;
  }

  isAtBreak(): boolean {
    const code = this.peek();
    return code === CHAR.lineFeed || code === CHAR.carriageReturn;
  }

  /** Whether the character after the cursor (at `ahead`) is white space or the end of the text. */
  isBlankAhead(ahead: number): boolean {
    const code = this.text.charCodeAt(this.pos + ahead);
    return code === CHAR.space || code === CHAR.lineFeed || code === CHAR.tab || code === CHAR.carriageReturn || Number.isNaN(code);
  }

  /** At the end of the text, or at a line that is a document marker (`---`, `...`). */
  isDone(): boolean {
    if (this.pos >= this.text.length) return true;
    return this.pos === this.lineStart && this.isMarker();
  }

  /** Whether `---` or `...` stands at the cursor. */
  isMarker(): boolean {
    const code = this.peek();
    if (code !== CHAR.dash && code !== CHAR.dot) return false;
    return this.text.charCodeAt(this.pos + 1) === code && this.text.charCodeAt(this.pos + 2) === code && this.isBlankAhead(3);
  }

  /** Over a line break, which the cursor must be at. */
  newLine(): void {
    if (this.peek() === CHAR.carriageReturn && this.text.charCodeAt(this.pos + 1) === CHAR.lineFeed) this.pos++;
    this.pos++;
    this.lineStart = this.pos;
    this.measureIndentation();
  }

  measureIndentation(): void {
    let pos = this.lineStart;
    while (this.text.charCodeAt(pos) === CHAR.space) pos++;
    this.contentStart = pos;
  }

  /** Over spaces and tabs. */
  skipBlanks(): void {
    let code = this.peek();
    while (code === CHAR.space || code === CHAR.tab) code = this.text.charCodeAt(++this.pos);
  }

  /** To the next content: over white space, comments and line breaks. */
  skip(): void {
    for (;;) {
      const code = this.peek();
      if (code === CHAR.space || code === CHAR.tab) this.pos++;
      else if (code === CHAR.lineFeed || code === CHAR.carriageReturn) {
        this.newLine();
        this.pos = this.contentStart;
      } else if (code === CHAR.hash && this.#isCommentStart()) this.#skipLine();
      else return;
    }
  }

  /** Whether nothing but blanks and a comment follows on this line. Moves over the blanks. */
  isLineOver(): boolean {
    this.skipBlanks();
    return this.pos >= this.text.length || this.isAtBreak() || (this.peek() === CHAR.hash && this.#isCommentStart());
  }

  #isCommentStart(): boolean {
    if (this.pos === 0) return true;
    const before = this.text.charCodeAt(this.pos - 1);
    return before === CHAR.space || before === CHAR.tab || before === CHAR.lineFeed || before === CHAR.carriageReturn;
  }

  #skipLine(): void {
    while (this.pos < this.text.length && !this.isAtBreak()) this.pos++;
  }

  enterCollection(): void {
    this.#depth++;
    if (this.#depth > this.#deepest) this.#deepest = this.#depth;
    if (this.#depth > this.limits.depth)
      this.fail("YAML_DEPTH", `expected at most ${this.limits.depth} nested mappings and sequences`, this.pos);
  }

  leaveCollection(): void {
    this.#depth--;
  }

  countNode(): void {
    this.#nodes++;
  }

  /** Begins the node that an anchor names; the result is for `endAnchor`. */
  beginAnchor(): AnchorMark {
    const mark = { nodes: this.#nodes, deepest: this.#deepest };
    this.#deepest = this.#depth;
    return mark;
  }

  /** Defines the anchor once its value is complete, so that no value can contain itself. */
  endAnchor(name: string, mark: AnchorMark, value: JsonValue): void {
    this.#anchors ??= new Map();
    this.#anchors.set(name, { value, nodes: 1 + this.#nodes - mark.nodes, height: this.#deepest - this.#depth });
    this.#deepest = Math.max(this.#deepest, mark.deepest);
  }

  /** The value that `*name` at `offset` stands for. */
  resolveAlias(name: string, offset: number): JsonValue {
    const anchor = this.#anchors?.get(name);
    const length = name.length + 1;
    if (anchor === undefined)
      this.fail("YAML_ALIAS", `unknown alias \`*${name}\``, offset, length, "define it before its use with `&name`");
    if (anchor === null) this.fail("YAML_ALIAS", `the value of the anchor \`${name}\` contains itself`, offset, length);
    this.#nodes += anchor.nodes;
    this.#aliasNodes += anchor.nodes;
    if (this.#aliasNodes > this.limits.aliasNodes)
      this.fail("YAML_ALIAS", `aliases repeat more than ${this.limits.aliasNodes} nodes`, offset, length, "write the values out");
    this.#deepest = Math.max(this.#deepest, this.#depth + anchor.height);
    if (this.#depth + anchor.height > this.limits.depth)
      this.fail("YAML_DEPTH", `expected at most ${this.limits.depth} nested mappings and sequences`, offset, length);
    return anchor.value;
  }

  /** Notes where the node that was read last stands in its container. */
  recordChild(container: object, key: string | number, keyStart: number, keyEnd: number): void {
    if (this.spans === null) return;
    const span: Span = { keyStart, keyEnd, start: this.nodeStart, end: this.nodeEnd, segments: this.segments };
    const children = this.spans.get(container);
    if (children === undefined) this.spans.set(container, new Map([[key, span]]));
    else children.set(key, span);
  }

  fail(code: YamlErrorCode, message: string, offset: number, length: number = 1, hint?: string): never {
    throw new YamlFailure({ code, message, offset, length: Math.max(1, length), ...(hint === undefined ? {} : { hint }) });
  }
}
