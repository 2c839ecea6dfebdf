import type { SourceText } from "../cel/source-text.ts";
import type { Expression } from "../resource/expression.ts";

/** Replaces `start..end` of a text. */
export interface TextEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The expression with edits (in order, not overlapping) made to its text; places in it still lead to the file that it came from. */
export function rewriteExpression(expression: Expression, edits: readonly TextEdit[]): Expression {
  if (edits.length === 0) return expression;
  const { text: original, source } = expression;
  let text = "";
  let copied = 0;
  /** Where each copied stretch begins, in the new text and in the original. */
  const stretches: { readonly at: number; readonly origin: number; readonly length: number }[] = [];
  const copyUntil = (end: number): void => {
    stretches.push({ at: text.length, origin: copied, length: end - copied });
    text += original.slice(copied, end);
  };
  for (const edit of edits) {
    copyUntil(edit.start);
    text += edit.text;
    copied = edit.end;
  }
  copyUntil(original.length);
  const originOf = (offset: number): number => {
    const stretch = stretches.findLast(({ at }) => at <= offset);
    return stretch === undefined ? 0 : stretch.origin + Math.min(offset - stretch.at, stretch.length);
  };
  const rewritten: SourceText = { text, file: source.file, locate: (offset) => source.locate(originOf(offset)) };
  return { text, source: rewritten };
}
