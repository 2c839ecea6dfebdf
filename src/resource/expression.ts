/** CEL texts inside resources. */
import type { SourceText } from "../cel/source-text.ts";

/** A CEL text that a resource holds, not compiled yet; `source` maps its offsets to the file. */
export interface Expression {
  readonly text: string;
  readonly source: SourceText;
}

/** A CEL text with a name: a variable, or a match condition. */
export interface NamedExpression {
  readonly name: string;
  readonly expression: Expression;
}

/** An audit annotation: its key and the text of its value's expression. */
export interface AuditAnnotation {
  readonly key: string;
  readonly valueExpression: Expression;
}
