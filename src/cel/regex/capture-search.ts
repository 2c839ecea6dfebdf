/** What both ways to find captures need to know of a pattern. */
import { type Program, setAccepts } from "./program.ts";

export interface CaptureSearch {
  readonly program: Program;
  readonly groupCount: number;
  /** Every match begins at the beginning of the text. */
  readonly isAnchored: boolean;
  /** Every match begins with this text. */
  readonly prefix: string;
}

export const NO_START = -1;

/** The first position from `from` on where a match may begin, or `NO_START`. */
export function nextStart({ program, isAnchored, prefix }: CaptureSearch, text: string, from: number): number {
  if (isAnchored) return from === 0 ? 0 : NO_START;
  if (prefix !== "") return text.indexOf(prefix, from);
  for (let position = from; position <= text.length; position++) {
    const codePoint = text.codePointAt(position) ?? -1;
    // The second half of a surrogate pair is no position.
    if (codePoint >= 0xdc00 && codePoint <= 0xdfff && (text.codePointAt(position - 1) ?? 0) > 0xffff) continue;
    if (program.leadingSet < 0 || setAccepts(program, program.leadingSet, codePoint)) return position;
  }
  return NO_START;
}
