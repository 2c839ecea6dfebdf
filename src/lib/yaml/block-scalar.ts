/** Block scalars: literal (`|`) and folded (`>`), with chomping and indentation indicators (YAML 1.2.2 §8.1). */
import { CHAR, type Cursor } from "./cursor.ts";
import { ScalarText } from "./scalar-text.ts";

interface Header {
  readonly isFolded: boolean;
  readonly chomping: "strip" | "clip" | "keep";
  /** 0 when it is to be detected. */
  readonly indicator: number;
}

/** Reads the block scalar at the cursor. Its lines are indented more than `parent`. */
export function readBlockScalar(cursor: Cursor, parent: number): string {
  const start = cursor.pos;
  const header = readHeader(cursor);
  if (cursor.isAtBreak()) cursor.newLine();
  const indentation = header.indicator === 0 ? detectIndentation(cursor, parent) : Math.max(parent, 0) + header.indicator;
  const out = new ScalarText(cursor.text, cursor.spans !== null);
  const end = readLines(cursor, header, indentation, out);
  cursor.nodeStart = start;
  cursor.nodeEnd = end;
  cursor.segments = out.segments;
  return out.text;
}

function readHeader(cursor: Cursor): Header {
  const isFolded = cursor.peek() === CHAR.greater;
  let chomping: Header["chomping"] = "clip";
  let indicator = 0;
  cursor.pos++;
  for (let i = 0; i < 2; i++) {
    const letter = cursor.text.charAt(cursor.pos);
    if (letter === "+" && chomping === "clip") chomping = "keep";
    else if (letter === "-" && chomping === "clip") chomping = "strip";
    else if (letter >= "1" && letter <= "9" && indicator === 0) indicator = Number(letter);
    else break;
    cursor.pos++;
  }
  if (!cursor.isBlankAhead(0) || !cursor.isLineOver()) {
    const what = isFolded ? ">" : "|";
    cursor.fail("YAML_SYNTAX", `expected the end of the line after \`${what}\``, cursor.pos, 1, "the text begins on the next line");
  }
  while (cursor.pos < cursor.text.length && !cursor.isAtBreak()) cursor.pos++;
  return { isFolded, chomping, indicator };
}

/** The indentation of the first line that is not empty; empty lines before it may not be indented more. */
function detectIndentation(cursor: Cursor, parent: number): number {
  const { text } = cursor;
  let lineStart = cursor.lineStart;
  let deepest = 0;
  for (;;) {
    let pos = lineStart;
    while (text.charCodeAt(pos) === CHAR.space) pos++;
    const code = text.charCodeAt(pos);
    const indentation = pos - lineStart;
    if (code === CHAR.tab && indentation <= parent)
      cursor.fail("YAML_TAB", "expected spaces as indentation, got a tab", pos, 1, "replace tabs by spaces");
    if (code === CHAR.lineFeed || code === CHAR.carriageReturn) {
      deepest = Math.max(deepest, indentation);
      lineStart = pos + (code === CHAR.carriageReturn && text.charCodeAt(pos + 1) === CHAR.lineFeed ? 2 : 1);
      continue;
    }
    if (Number.isNaN(code)) return Math.max(parent + 1, deepest, indentation);
    if (indentation <= parent) return Math.max(parent + 1, deepest);
    if (deepest > indentation)
      cursor.fail("YAML_INDENTATION", "an empty line before the text is indented more than the text", lineStart, indentation + 1);
    return indentation;
  }
}

/** Reads the lines and returns the offset behind the last one. The cursor is left at the start of the line after the scalar. */
function readLines(cursor: Cursor, { isFolded, chomping }: Header, indentation: number, out: ScalarText): number {
  const { text } = cursor;
  // Line breaks since the last line of text; nothing is known of the line before the first.
  let breaks = 0;
  let breaksAt = cursor.pos;
  let isFirst = true;
  let wasSpaced = false;
  let end = cursor.pos;
  while (cursor.pos < text.length) {
    const lineStart = cursor.lineStart;
    const isEmpty = isBreakOrEnd(text.charCodeAt(cursor.contentStart)) && cursor.indentation <= indentation;
    if (!isEmpty && (cursor.indentation < indentation || (lineStart === cursor.contentStart && cursor.isMarker()))) break;
    if (isEmpty) {
      cursor.pos = cursor.contentStart;
      if (cursor.pos >= text.length) break;
    } else {
      const contentStart = lineStart + indentation;
      const first = text.charCodeAt(contentStart);
      const isSpaced = first === CHAR.space || first === CHAR.tab;
      const isJoined = isFolded && !isFirst && !wasSpaced && !isSpaced;
      if (isJoined) out.fold(breaks, breaksAt);
      else out.literal("\n".repeat(breaks), breaksAt);
      end = endOfLine(text, contentStart);
      out.slice(contentStart, end);
      cursor.pos = end;
      breaks = 0;
      breaksAt = end;
      isFirst = false;
      wasSpaced = isSpaced;
    }
    if (cursor.isAtBreak()) {
      cursor.newLine();
      breaks++;
    }
  }
  if (chomping === "keep") out.literal("\n".repeat(breaks), breaksAt);
  else if (chomping === "clip" && !isFirst && breaks > 0) out.literal("\n", breaksAt);
  return end;
}

const isBreakOrEnd = (code: number): boolean => code === CHAR.lineFeed || code === CHAR.carriageReturn || Number.isNaN(code);

function endOfLine(text: string, start: number): number {
  const lineFeed = text.indexOf("\n", start);
  const end = lineFeed === -1 ? text.length : lineFeed;
  const carriageReturn = text.charCodeAt(end - 1) === CHAR.carriageReturn && end > start ? end - 1 : end;
  return carriageReturn;
}
