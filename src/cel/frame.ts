/** What one evaluation knows and spends. */
import type { Program } from "./program.ts";
import type { CelValue } from "./value.ts";

/** Kubernetes' limit for one expression, in its cost units (about 0.1 s of its evaluator). */
export const PER_CALL_LIMIT = 1_000_000;
/** Kubernetes' budget for all expressions of one policy on one review. */
export const RUNTIME_BUDGET = 10_000_000;
/** Kubernetes' budget for the match conditions of one policy. */
export const MATCH_CONDITIONS_BUDGET = 2_500_000;

/**
 * The bindings of one evaluation and its account. A frame is shared by all expressions of one policy judged on one
 * review: they see the same bindings, lazy variables are evaluated at most once, and `cost` adds up. Not to be shared
 * between evaluations that run at the same time.
 */
export interface Frame {
  readonly bindings: Readonly<Record<string, CelValue>>;
  /** Units used so far. */
  cost: number;
  /** An evaluation that takes `cost` beyond this ends with `CEL_COST_LIMIT`. */
  costLimit: number;
  /** Results of lazy variables, errors too; made when the first one is evaluated. */
  memo: Map<Program, CelValue> | null;
  /** Local variables of the program that the closure back end is running. */
  locals: CelValue[];
}

/** A frame over these bindings. A variable that is declared but not bound evaluates to `CEL_NO_SUCH_VARIABLE`. */
export function createFrame(bindings: Readonly<Record<string, CelValue>>, costLimit: number = PER_CALL_LIMIT): Frame {
  return { bindings, cost: 0, costLimit, memo: null, locals: [] };
}
