/** Costs that are known before run time, from cel-go's expansion of the macros and its table of operators. */
import type { ComprehensionMacro } from "../ast.ts";
import { LIST_COST, MAP_COST } from "../runtime/cost.ts";
import type { CelType } from "../type.ts";
import type { CelValue } from "../value.ts";
import type { Op } from "./op.ts";

/** What a macro costs beside its range, filter and body. A name costs 1, a call 1, a list 10, a map 30. */
export interface MacroCost {
  /** Initial value and result. */
  readonly once: number;
  /** With every evaluation of the body: the condition of the loop and the step. */
  readonly perBody: number;
  /** The condition that ends the loop early. */
  readonly onExit: number;
  /** The step that an element takes when the predicate holds. */
  readonly onAccept: number;
}

export const MACRO_COSTS: Readonly<Record<ComprehensionMacro, MacroCost>> = {
  // Condition: @not_strictly_false(result); step: result && body; result.
  all: { once: 1, perBody: 3, onExit: 2, onAccept: 0 },
  // Condition: @not_strictly_false(!result).
  exists: { once: 1, perBody: 4, onExit: 3, onAccept: 0 },
  // Step: body ? result + 1 : result; result == 1.
  existsOne: { once: 2, perBody: 0, onExit: 0, onAccept: 2 },
  // Step: body ? result + [x] : result.
  filter: { once: LIST_COST + 1, perBody: 0, onExit: 0, onAccept: LIST_COST + 3 },
  // Step: result + [body].
  map: { once: LIST_COST + 1, perBody: LIST_COST + 2, onExit: 0, onAccept: 0 },
  transformList: { once: LIST_COST + 1, perBody: LIST_COST + 2, onExit: 0, onAccept: 0 },
  // Step: insert(result, key, body).
  transformMap: { once: MAP_COST + 1, perBody: 3, onExit: 0, onAccept: 0 },
  // Step: insert(result, body).
  transformMapEntry: { once: MAP_COST + 1, perBody: 2, onExit: 0, onAccept: 0 },
};

/** Whether values of the type have the size 1, so that comparing with one costs 1 whatever the other operand. */
export function hasFixedSize(type: CelType): boolean {
  switch (type.kind) {
    case "bool":
    case "int":
    case "uint":
    case "double":
    case "null":
    case "timestamp":
    case "duration":
    case "type":
      return true;
    default:
      return false;
  }
}

/** Strings up to this length cost 1 to compare, whatever they are compared with. */
const SHORT_TEXT = 10;

/** The cost of comparing with a constant, where it is the same for (almost) every other operand: an empty one would cost nothing. */
export function constantComparisonCost(op: Op): number | undefined {
  if (op.kind !== "constant") return undefined;
  const value: CelValue = op.value;
  if (typeof value === "string") return value.length === 0 ? 0 : value.length <= SHORT_TEXT ? 1 : undefined;
  return typeof value === "object" && value !== null ? undefined : 1;
}
