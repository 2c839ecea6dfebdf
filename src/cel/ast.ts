/**
 * The syntax tree of CEL. Macros stay typed nodes (`comprehension`, `bind`, `optMap`, `block`) instead of being
 * expanded to generic folds, so that every backend can compile them to the loop that they are.
 *
 * Nodes are frozen by type, never mutated after the parser. `id` is unique within one tree, dense from 0, and indexes the
 * checker's side tables; `start` and `end` are UTF-16 offsets into the source of the expression.
 */
export type Expr = Literal | Ident | Select | Call | ListExpr | MapExpr | StructExpr | Comprehension | Bind | OptMap | Block;

interface Node {
  readonly id: number;
  readonly start: number;
  readonly end: number;
}

/** A constant. Integers are bigint here whatever their size; backends choose the run-time representation. */
export interface Literal extends Node {
  readonly kind: "literal";
  readonly value: LiteralValue;
}
export type LiteralValue =
  | { readonly type: "null" }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "int"; readonly value: bigint }
  | { readonly type: "uint"; readonly value: bigint }
  | { readonly type: "double"; readonly value: number }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "bytes"; readonly value: Uint8Array };

/** A name. A leading dot (`.a`) is kept in `name` and means the root scope. */
export interface Ident extends Node {
  readonly kind: "ident";
  readonly name: string;
}

/** `operand.field`, `operand.?field` (optional), or `has(operand.field)` (testOnly). Dotted names are selects until the checker resolves them. */
export interface Select extends Node {
  readonly kind: "select";
  /** Offset of the field's name, for diagnostics. */
  readonly at: number;
  readonly operand: Expr;
  readonly field: string;
  readonly testOnly: boolean;
  readonly optional: boolean;
}

/** A function call. Operators use cel-go's names: `_+_`, `_&&_`, `_?_:_`, `_[_]`, `_[?_]`, `!_`, `-_`, `@in`, `_==_` and so on. `target` is set for receiver style. */
export interface Call extends Node {
  readonly kind: "call";
  /** Offset of the operator or of the function's name, for diagnostics. */
  readonly at: number;
  readonly fn: string;
  readonly target: Expr | null;
  readonly args: readonly Expr[];
}

/** `[a, ?b]`. */
export interface ListExpr extends Node {
  readonly kind: "list";
  readonly elements: readonly { readonly value: Expr; readonly optional: boolean }[];
}

/** `{k: v, ?k: v}`. */
export interface MapExpr extends Node {
  readonly kind: "map";
  readonly entries: readonly { readonly key: Expr; readonly value: Expr; readonly optional: boolean }[];
}

/** `Type{field: value, ?field: value}`. */
export interface StructExpr extends Node {
  readonly kind: "struct";
  readonly typeName: string;
  readonly fields: readonly {
    readonly name: string;
    readonly value: Expr;
    readonly optional: boolean;
    readonly start: number;
    readonly end: number;
  }[];
}

export type ComprehensionMacro = "all" | "exists" | "existsOne" | "map" | "filter" | "transformList" | "transformMap" | "transformMapEntry";

/**
 * `range.macro(var1[, var2][, filter], body)`.
 * `var1` is the element (list) or key (map) in one-variable form; index/key and `var2` the element/value in two-variable form.
 * `body` is the predicate (all, exists, existsOne, filter) or the transform; `filter` only where the macro takes one.
 */
export interface Comprehension extends Node {
  readonly kind: "comprehension";
  readonly macro: ComprehensionMacro;
  readonly range: Expr;
  readonly var1: string;
  readonly var2: string | null;
  readonly filter: Expr | null;
  readonly body: Expr;
}

/** `cel.bind(name, value, body)`. */
export interface Bind extends Node {
  readonly kind: "bind";
  readonly name: string;
  readonly value: Expr;
  readonly body: Expr;
}

/** `target.optMap(name, body)`, or `optFlatMap` when `flat`. */
export interface OptMap extends Node {
  readonly kind: "optMap";
  readonly target: Expr;
  readonly name: string;
  readonly body: Expr;
  readonly flat: boolean;
}

/** `cel.block([slots], result)`; slot i is read by the identifier `@index<i>`. */
export interface Block extends Node {
  readonly kind: "block";
  readonly slots: readonly Expr[];
  readonly result: Expr;
}
