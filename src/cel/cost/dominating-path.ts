/** Which parts of an expression its cost comes from. */
import type { Expr } from "../ast.ts";
import type { CostRange } from "../declaration.ts";
import { range, times } from "../library/cost.ts";
import type { EntrySize } from "./size.ts";

export interface CostShare {
  readonly expr: Expr;
  readonly max: number;
}

/** What is known of a sub-expression. */
export interface Estimate {
  readonly expr: Expr;
  readonly cost: CostRange;
  /** Where the value is found, if it is a part of a variable. */
  readonly path?: readonly string[] | undefined;
  readonly size?: CostRange | undefined;
  readonly entries?: EntrySize | undefined;
  readonly parts: readonly Part[];
}

/** A sub-expression, and how often it is evaluated at most. */
export interface Part {
  readonly estimate: Estimate;
  readonly times: number;
}

/** Goes down as long as one part causes at least half of the maximum. */
export function dominatingPath(root: Estimate): readonly CostShare[] {
  const path: CostShare[] = [];
  let estimate = root;
  let share = root.cost.max;
  for (;;) {
    path.push({ expr: estimate.expr, max: share });
    const whole = estimate.cost.max;
    let most = { estimate, max: 0 };
    for (const part of estimate.parts) {
      const { max } = times(part.estimate.cost, range(part.times));
      if (max > most.max) most = { estimate: part.estimate, max };
    }
    if (most.max === 0 || most.max < whole / 2) return path;
    share = whole === Infinity ? Infinity : (share / whole) * most.max;
    estimate = most.estimate;
  }
}
