import type { Overload } from "./declaration.ts";
import type { ParsedExpression } from "./parser.ts";
import type { CelType } from "./type.ts";
import type { CelValue } from "./value.ts";

/** What a name or a call of a tree means. */
export type Reference =
  /** A variable by its qualified name. A leading dot says that a comprehension's variable of the same name is not meant. */
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "constant"; readonly name: string; readonly value: CelValue }
  /** The type of a struct literal, by its qualified name. */
  | { readonly kind: "type"; readonly name: string }
  /** A call of the function that it names: every overload that the static types leave possible. */
  | { readonly kind: "overloads"; readonly overloads: readonly Overload[] }
  /** A call of a function by its qualified name: a call `a.b(x)` has no receiver then, `a` is a namespace. */
  | { readonly kind: "function"; readonly name: string; readonly overloads: readonly Overload[] };

/** A tree with the type of every node and the meaning of every name. */
export interface CheckedExpression extends ParsedExpression {
  /** By node id; dyn for ids that no node has. */
  readonly types: readonly CelType[];
  /** By node id. A select that has a reference is a qualified name: its operand is not evaluated. */
  readonly references: ReadonlyMap<number, Reference>;
  readonly resultType: CelType;
}
