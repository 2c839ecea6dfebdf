/**
 * Reads YAML as Kubernetes does (sigs.k8s.io/yaml): YAML 1.1 scalars, JSON values. JSON is read by the same rules, and a
 * stream of JSON objects without separators is accepted. Values are plain data; an alias shares the value of its anchor.
 *
 * UNTRUSTED input: never throws, takes time linear in the text, bounded by `YamlLimits`.
 */
import type { JsonValue } from "../json.ts";
import { readBlockNode } from "./block-node.ts";
import { CHAR, Cursor, type YamlError, YamlFailure, type YamlLimits } from "./cursor.ts";
import { type Span, type Spans, sourceOffset } from "./span.ts";

export interface YamlDocument {
  readonly value: JsonValue;
  /** UTF-16 offset of the content. */
  readonly start: number;
  /** Where reading the document again begins. */
  readonly entry: number;
}

export interface YamlStream {
  /** Documents that are not empty, in order. */
  readonly documents: readonly YamlDocument[];
  /** One for each document that cannot be read. */
  readonly errors: readonly YamlError[];
}

export const DEFAULT_YAML_LIMITS: YamlLimits = { documents: 100_000, depth: 250, aliasNodes: 100_000 };

/** Reads all documents of a text. After a mistake reading goes on with the next document. */
export function readYaml(text: string, limits: YamlLimits = DEFAULT_YAML_LIMITS): YamlStream {
  const documents: YamlDocument[] = [];
  const errors: YamlError[] = [];
  const unprintable = findUnprintable(text);
  if (unprintable !== null) return { documents, errors: [unprintable] };
  const cursor = new Cursor(text, text.startsWith("\uFEFF") ? 1 : 0, limits, null);
  while (cursor.pos < text.length) {
    cursor.startDocument();
    try {
      const document = readDocument(cursor);
      if (document === null) continue;
      if (documents.length >= limits.documents)
        cursor.fail("YAML_TOO_MANY", `expected at most ${limits.documents} documents`, document.start);
      documents.push(document);
    } catch (failure) {
      if (!(failure instanceof YamlFailure)) throw failure;
      errors.push(withTemplateHint(text, failure.error));
      if (failure.error.code === "YAML_TOO_MANY") break;
      toNextMarker(cursor);
    }
  }
  return { documents, errors };
}

/** What neither YAML nor JSON allows; JSON allows the others that YAML calls unprintable. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is them that are looked for
const UNPRINTABLE = /[\x00-\x08\x0B\x0C\x0E-\x1F]/;

function findUnprintable(text: string): YamlError | null {
  const offset = text.isWellFormed() ? text.search(UNPRINTABLE) : text.search(/\p{Surrogate}/u);
  if (offset === -1) return null;
  const code = text.charCodeAt(offset).toString(16).toUpperCase().padStart(4, "0");
  const message = `the character U+${code} is not allowed`;
  return { code: "YAML_CHARACTER", message, offset, length: 1, hint: "write a control character as an escape in double quotes" };
}

/** A template that was not rendered is the most frequent reason of all. */
function withTemplateHint(text: string, error: YamlError): YamlError {
  const lineEnd = text.indexOf("\n", error.offset);
  const line = text.slice(text.lastIndexOf("\n", error.offset) + 1, lineEnd === -1 ? undefined : lineEnd);
  return line.includes("{{") ? { ...error, hint: "this looks like a template: render it first, for example with `helm template`" } : error;
}

/** Reads the next document; null when only white space, comments or an empty document was there. */
function readDocument(cursor: Cursor): YamlDocument | null {
  skipPrologue(cursor);
  cursor.entry = cursor.pos;
  const { entry } = cursor;
  if (entry >= cursor.text.length) return null;
  const value = readBlockNode(cursor, -1, "document");
  const start = cursor.nodeStart;
  endDocument(cursor);
  return value === null && start === cursor.nodeEnd ? null : { value, start, entry };
}

/** Over white space, comments, directives, `...`, and one `---`. */
function skipPrologue(cursor: Cursor): void {
  for (;;) {
    cursor.skip();
    const isLineStart = cursor.pos === cursor.lineStart;
    if (isLineStart && cursor.peek() === CHAR.percent) skipDirective(cursor);
    else if (isLineStart && cursor.isMarker()) {
      const isEnd = cursor.peek() === CHAR.dot;
      cursor.pos += 3;
      if (!isEnd) return;
      if (!cursor.isLineOver()) cursor.fail("YAML_SYNTAX", "expected the end of the line after `...`", cursor.pos);
    } else return;
  }
}

function skipDirective(cursor: Cursor): void {
  const start = cursor.pos;
  while (cursor.pos < cursor.text.length && !cursor.isAtBreak()) cursor.pos++;
  const directive = cursor.text.slice(start, cursor.pos);
  if (/^%YAML[ \t]+(?![ \t]|1\.[0-9]\b)/.test(directive)) cursor.fail("YAML_SYNTAX", "expected YAML 1.1 or 1.2", start, directive.length);
}

/** After a document: a marker or the end. A JSON object directly after a JSON object is the next document. */
function endDocument(cursor: Cursor): void {
  const last = cursor.text.charCodeAt(cursor.nodeEnd - 1);
  cursor.skip();
  if (cursor.isDone()) return;
  if (last === CHAR.closeBrace && cursor.peek() === CHAR.openBrace) return;
  cursor.fail("YAML_SYNTAX", "expected the end of the document", cursor.pos, 1, "separate documents by a line `---`");
}

function toNextMarker(cursor: Cursor): void {
  const marker = /^---(?=[ \t\r\n]|$)/gm;
  marker.lastIndex = Math.max(cursor.entry, cursor.lineStart);
  const found = marker.exec(cursor.text);
  cursor.pos = found === null ? cursor.text.length : found.index;
  cursor.lineStart = cursor.pos;
  cursor.measureIndentation();
}

/** Finds where the values of one document are written, by reading it a second time. */
export class YamlPositions {
  readonly #text: string;
  readonly #root: JsonValue;
  readonly #rootSpan: Span;
  readonly #spans: Spans = new Map();

  constructor(text: string, document: YamlDocument, limits: YamlLimits = DEFAULT_YAML_LIMITS) {
    const cursor = new Cursor(text, document.entry, limits, this.#spans);
    this.#text = text;
    this.#root = readBlockNode(cursor, -1, "document");
    const { nodeStart: start, nodeEnd: end, segments } = cursor;
    this.#rootSpan = { keyStart: start, keyEnd: end, start, end, segments };
  }

  /** The span of the value at `path`, or of its nearest ancestor. */
  spanOf(path: readonly (string | number)[]): Span {
    let span = this.#rootSpan;
    let value: JsonValue | undefined = this.#root;
    for (const step of path) {
      if (typeof value !== "object" || value === null) break;
      const child: Span | undefined = this.#spans.get(value)?.get(step);
      if (child === undefined) break;
      span = child;
      value = (value as { readonly [key: string | number]: JsonValue })[step];
    }
    return span;
  }

  /** The offset in the text where unit `offset` of the scalar at `path` is written. */
  offsetOf(path: readonly (string | number)[], offset: number): number {
    return sourceOffset(this.#text, this.spanOf(path), offset);
  }
}
