/** Conditions of Falco's language as a tree. Offsets are UTF-16 units of the condition's text. */

export interface Range {
  readonly start: number;
  readonly end: number;
}

export type Condition = Junction | Negation | MacroName | Check;

export interface Junction extends Range {
  readonly kind: "and" | "or";
  /** At least two. */
  readonly operands: readonly Condition[];
}

export interface Negation extends Range {
  readonly kind: "not";
  readonly operand: Condition;
}

export interface MacroName extends Range {
  readonly kind: "macro";
  readonly name: string;
}

export interface Check extends Range {
  readonly kind: "check";
  readonly left: Operand;
  readonly operator: Operator;
  readonly modifier: Modifier | undefined;
  /** Undefined for `exists`. */
  readonly right: Operand | Literal | LiteralList | undefined;
}

export const OPERATORS = [
  "exists",
  "==",
  "=",
  "!=",
  "<=",
  "<",
  ">=",
  ">",
  "contains",
  "icontains",
  "bcontains",
  "startswith",
  "bstartswith",
  "endswith",
  "glob",
  "iglob",
  "regex",
  "intersects",
  "in",
  "pmatch",
] as const;
export type Operator = (typeof OPERATORS)[number];

export const MODIFIERS = ["oneof", "anyof", "allof"] as const;
export type Modifier = (typeof MODIFIERS)[number];

export const TRANSFORMERS = ["tolower", "toupper", "b64", "basename", "len", "join", "concat", "getopt"] as const;
export type Transformer = (typeof TRANSFORMERS)[number];

export type Operand = FieldName | Transformation;

export interface FieldName extends Range {
  readonly kind: "field";
  readonly name: string;
  /** Between brackets: `proc.aname[2]`. */
  readonly argument: string | undefined;
}

export interface Transformation extends Range {
  readonly kind: "transformation";
  /** `val` compares with the field as it is. */
  readonly transformer: Transformer | "val";
  readonly operands: readonly (Operand | Literal | readonly (Operand | Literal)[])[];
  readonly argument: string | undefined;
}

export interface Literal extends Range {
  readonly kind: "literal";
  readonly text: string;
  readonly isQuoted: boolean;
}

/** The values of a list; an unquoted one that is the name of a list stands for that list's items. */
export interface LiteralList extends Range {
  readonly kind: "list";
  readonly values: readonly Literal[];
}
