import type { Expr } from "../ast.ts";
import { CelError, type CelValue } from "../value.ts";

/** What a sub-expression comes to: a value (which may be an error), or what is left to evaluate. */
export type Outcome = { readonly kind: "known"; readonly value: CelValue } | { readonly kind: "residual"; readonly expr: Expr };

export const known = (value: CelValue): Outcome => ({ kind: "known", value });
export const residual = (expr: Expr): Outcome => ({ kind: "residual", expr });

export const isError = (outcome: Outcome): boolean => outcome.kind === "known" && outcome.value instanceof CelError;

/** A local variable: its value when it is known, undefined when it is not. */
export interface Scope {
  readonly name: string;
  readonly value: CelValue | undefined;
  readonly outer: Scope | null;
}
