/**
 * The plan of an expression: its tree with all names resolved, macros as the loops that they are, operators told from
 * library calls, and the static part of the cost added up per block. Both back ends compile plans, so they agree on what
 * is evaluated when and what it costs.
 */
import type { ComprehensionMacro } from "../ast.ts";
import type { Overload } from "../declaration.ts";
import type { LazyScope, Program } from "../program.ts";
import type { CelValue } from "../value.ts";

export interface Plan {
  readonly root: Branch;
  /** Local variables are numbered from 0 to here. */
  readonly slotCount: number;
  /** Whether `has` and `.?` fail on a value that has no fields at all, instead of finding nothing. */
  readonly isPresenceStrict: boolean;
}

/** Code that runs from its beginning to its end or not at all, except for the branches in it. */
export interface Branch {
  /** Static cost, charged on entry. */
  readonly cost: number;
  readonly op: Op;
}

interface Node {
  /** Offsets of the sub-expression: the position of an error that it makes. */
  readonly start: number;
  readonly end: number;
}

export type Op =
  | ConstantOp
  | LocalOp
  | VariableOp
  | LazyOp
  | LazyScopeOp
  | PathOp
  | IndexOp
  | HasOp
  | LogicalOp
  | NotOp
  | ConditionalOp
  | EqualOp
  | CompareOp
  | ArithmeticOp
  | InOp
  | SizeOp
  | TextOp
  | MatchOp
  | CallOp
  | ListOp
  | MapOp
  | StructOp
  | ComprehensionOp
  | LetOp
  | OptMapOp
  | HasValueOp
  | OrOp
  | OrValueOp
  | ToDoubleOp;

export interface ConstantOp extends Node {
  readonly kind: "constant";
  readonly value: CelValue;
}

/** A variable of a comprehension, a binding or a block. */
export interface LocalOp extends Node {
  readonly kind: "local";
  readonly slot: number;
}

/** A variable bound in the frame. */
export interface VariableOp extends Node {
  readonly kind: "variable";
  readonly name: string;
}

/** A variable that is a program, evaluated at most once per frame. */
export interface LazyOp extends Node {
  readonly kind: "lazy";
  readonly program: Program;
}

/** All lazy variables as a map: an expression that passes the whole scope on. */
export interface LazyScopeOp extends Node {
  readonly kind: "lazyScope";
  readonly scope: LazyScope;
}

/** A chain of selections and of indexes that are constant: `root.a["b"][0]`. */
export interface PathOp extends Node {
  readonly kind: "path";
  readonly root: Op;
  readonly steps: readonly Step[];
  /** From this step on, absence makes the whole chain `optional.none()`; as many as there are steps when it has no optional one. */
  readonly optionalFrom: number;
}
export interface Step {
  /** A key of a map, or an index of a list. */
  readonly key: string | number;
  readonly end: number;
}

/** `container[key]`, or `container[?key]` when optional. */
export interface IndexOp extends Node {
  readonly kind: "index";
  readonly container: Op;
  readonly key: Op;
  readonly isOptional: boolean;
}

/** `has(operand.key)`. */
export interface HasOp extends Node {
  readonly kind: "has";
  readonly operand: Op;
  readonly key: string;
}

/** `&&` or `||` of two or more terms. A term that decides absorbs errors of the others. */
export interface LogicalOp extends Node {
  readonly kind: "logical";
  readonly isAnd: boolean;
  readonly terms: readonly Branch[];
}

export interface NotOp extends Node {
  readonly kind: "not";
  readonly operand: Op;
}

export interface ConditionalOp extends Node {
  readonly kind: "conditional";
  readonly condition: Op;
  readonly whenTrue: Branch;
  readonly whenFalse: Branch;
}

/** An operation whose cost may depend on its operands; if not, it is in the static cost. */
interface Costly {
  readonly isCostly: boolean;
}

export interface EqualOp extends Node, Costly {
  readonly kind: "equal";
  readonly isNegated: boolean;
  readonly left: Op;
  readonly right: Op;
}

export type Comparison = "<" | "<=" | ">" | ">=";

export interface CompareOp extends Node, Costly {
  readonly kind: "compare";
  readonly comparison: Comparison;
  readonly left: Op;
  readonly right: Op;
}

export type ArithmeticOperator = "+" | "-" | "*" | "/" | "%";

/** A binary operator with what it means beyond integers. */
export interface ArithmeticOp extends Node, Costly {
  readonly kind: "arithmetic";
  readonly operator: ArithmeticOperator;
  readonly left: Op;
  readonly right: Op;
  readonly overloads: readonly Overload[];
}

export interface InOp extends Node, Costly {
  readonly kind: "in";
  readonly element: Op;
  readonly container: Op;
}

export interface SizeOp extends Node {
  readonly kind: "size";
  readonly operand: Op;
}

export type TextTest = "startsWith" | "endsWith" | "contains";

export interface TextOp extends Node {
  readonly kind: "text";
  readonly test: TextTest;
  readonly text: Op;
  readonly part: Op;
}

/** `text.matches(pattern)`. */
export interface MatchOp extends Node {
  readonly kind: "match";
  readonly text: Op;
  readonly pattern: Op;
}

/** A call of a library function; the overload is chosen by the run-time types of the arguments. */
export interface CallOp extends Node, Costly {
  readonly kind: "call";
  readonly fn: string;
  readonly args: readonly Op[];
  readonly overloads: readonly Overload[];
}

export interface ListOp extends Node {
  readonly kind: "list";
  readonly elements: readonly { readonly value: Op; readonly isOptional: boolean }[];
}

export interface MapOp extends Node {
  readonly kind: "map";
  readonly entries: readonly { readonly key: Op; readonly value: Op; readonly isOptional: boolean }[];
}

/** `Type{field: value}`. */
export interface StructOp extends Node {
  readonly kind: "struct";
  /** Makes the value of the map of the fields; null when it is that map. */
  readonly construct: ((fields: CelValue) => CelValue) | null;
  readonly fields: readonly { readonly key: string; readonly value: Op; readonly isOptional: boolean }[];
}

export interface ComprehensionOp extends Node {
  readonly kind: "comprehension";
  readonly macro: ComprehensionMacro;
  readonly range: Op;
  /** The element or key; the index or key when there is a second variable. */
  readonly slot1: number;
  /** The element or value of a comprehension over two variables. */
  readonly slot2: number | null;
  /** What an element must satisfy before the body is evaluated. Charged with every element. */
  readonly filter: Branch | null;
  /** The predicate, or the transform. */
  readonly body: Branch;
  /** Charged when `all` or `exists` is decided before the last element. */
  readonly exitCost: number;
  /** Charged when the predicate of `filter` or `existsOne` holds. */
  readonly acceptCost: number;
}

/** Values computed once, in order, each seeing those before it. */
export interface LetOp extends Node {
  readonly kind: "let";
  readonly bindings: readonly { readonly slot: number; readonly value: Op }[];
  readonly body: Op;
}

export interface OptMapOp extends Node {
  readonly kind: "optMap";
  readonly target: Op;
  readonly slot: number;
  readonly body: Branch;
  readonly isFlat: boolean;
}

export interface HasValueOp extends Node {
  readonly kind: "hasValue";
  readonly target: Op;
}

/** `target.or(other)`. */
export interface OrOp extends Node {
  readonly kind: "or";
  readonly target: Op;
  readonly other: Branch;
}

/** `target.orValue(other)`. */
export interface OrValueOp extends Node {
  readonly kind: "orValue";
  readonly target: Op;
  readonly other: Branch;
}

/** A value from outside that is declared as a double: an integral JSON number is one too. */
export interface ToDoubleOp extends Node {
  readonly kind: "toDouble";
  readonly operand: Op;
}
