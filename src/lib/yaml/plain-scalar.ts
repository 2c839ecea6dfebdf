/** Plain scalars: text without quotes, which ends where YAML syntax begins and may continue on more indented lines. */
import { CHAR, type Cursor } from "./cursor.ts";
import { ScalarText } from "./scalar-text.ts";

/** Whether a plain scalar may begin at the cursor; `-`, `?` and `:` may when text follows. */
export function isPlainStart(cursor: Cursor, isInFlow: boolean): boolean {
  switch (cursor.peek()) {
    case CHAR.dash:
      return !cursor.isBlankAhead(1);
    case CHAR.question:
    case CHAR.colon:
      return !cursor.isBlankAhead(1) && !(isInFlow && isFlowIndicator(cursor.text.charCodeAt(cursor.pos + 1)));
    case CHAR.comma:
    case CHAR.openBracket:
    case CHAR.closeBracket:
    case CHAR.openBrace:
    case CHAR.closeBrace:
    case CHAR.hash:
    case CHAR.ampersand:
    case CHAR.asterisk:
    case CHAR.exclamation:
    case CHAR.bar:
    case CHAR.greater:
    case CHAR.singleQuote:
    case CHAR.doubleQuote:
    case CHAR.percent:
    case CHAR.at:
    case CHAR.backtick:
      return false;
    default:
      return true;
  }
}

const isFlowIndicator = (code: number): boolean =>
  code === CHAR.comma || code === CHAR.openBracket || code === CHAR.closeBracket || code === CHAR.openBrace || code === CHAR.closeBrace;

/** Reads one line of a plain scalar and returns where its text ends; the cursor is left there. */
export function readPlainLine(cursor: Cursor, isInFlow: boolean): number {
  const { text } = cursor;
  let pos = cursor.pos;
  let end = pos;
  for (; ; pos++) {
    const code = text.charCodeAt(pos);
    if (code === CHAR.space || code === CHAR.tab) continue;
    if (code === CHAR.lineFeed || code === CHAR.carriageReturn || Number.isNaN(code)) break;
    if (code === CHAR.colon && endsAtColon(text, pos, isInFlow)) break;
    if (code === CHAR.hash && pos > end && pos > cursor.pos) break;
    if (isInFlow && isFlowIndicator(code)) break;
    end = pos + 1;
  }
  cursor.pos = end;
  return end;
}

function endsAtColon(text: string, pos: number, isInFlow: boolean): boolean {
  const next = text.charCodeAt(pos + 1);
  if (next === CHAR.space || next === CHAR.lineFeed || next === CHAR.tab || next === CHAR.carriageReturn || Number.isNaN(next)) return true;
  return isInFlow && isFlowIndicator(next);
}

/**
 * Reads the lines that continue the plain scalar source[start, cursor) and returns its whole text. In a block a
 * continuation is indented more than `parent`.
 */
export function continuePlain(cursor: Cursor, start: number, parent: number, isInFlow: boolean): string {
  const { text } = cursor;
  let end = cursor.pos;
  cursor.nodeStart = start;
  cursor.nodeEnd = end;
  cursor.segments = null;
  let out: ScalarText | null = null;
  for (;;) {
    const breaks = toContinuation(cursor, parent, isInFlow);
    if (breaks === 0) break;
    if (out === null) {
      out = new ScalarText(text, cursor.spans !== null);
      out.slice(start, end);
    }
    out.fold(breaks, end);
    const lineStart = cursor.pos;
    end = readPlainLine(cursor, isInFlow);
    out.slice(lineStart, end);
    cursor.nodeEnd = end;
  }
  if (out === null) return text.slice(start, end);
  cursor.segments = out.segments;
  return out.text;
}

/** Moves to the next line of the scalar and returns how many line breaks were crossed; 0 and back where it was when there is none. */
function toContinuation(cursor: Cursor, parent: number, isInFlow: boolean): number {
  const { pos, lineStart, contentStart } = cursor;
  cursor.skipBlanks();
  let breaks = 0;
  while (cursor.isAtBreak()) {
    cursor.newLine();
    cursor.pos = cursor.lineStart;
    if (cursor.isDone()) break;
    breaks++;
    cursor.skipBlanks();
  }
  const isOver =
    breaks === 0 ||
    cursor.isDone() ||
    cursor.peek() === CHAR.hash ||
    (isInFlow ? !isContinuationStart(cursor) : cursor.indentation <= parent);
  if (!isOver) return breaks;
  cursor.pos = pos;
  cursor.lineStart = lineStart;
  cursor.contentStart = contentStart;
  return 0;
}

/** In a flow collection a line that begins with its punctuation is not part of the scalar. */
function isContinuationStart(cursor: Cursor): boolean {
  const code = cursor.peek();
  return !isFlowIndicator(code) && !(code === CHAR.colon && endsAtColon(cursor.text, cursor.pos, true));
}
