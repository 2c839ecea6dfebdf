import { compileClosure } from "../closure/compile.ts";
import { createFrame } from "../frame.ts";
import { costSize } from "../runtime/cost.ts";
import { CelError } from "../value.ts";
import type { Lowering } from "./lowering.ts";
import type { Op } from "./op.ts";

/** What computing a constant may cost, and how large it may be: beyond that it is left to run time and its limits. */
const MAX_COST = 10_000;
const MAX_SIZE = 1000;

/** The constant that an operation on constants comes to. Its cost stays; an error is left for run time. */
export function foldConstant(lowering: Lowering, op: Op): Op {
  const operands = foldableOperands(op);
  if (operands === undefined || !operands.every((operand) => operand.kind === "constant")) return op;
  const frame = createFrame({}, MAX_COST);
  const root = { cost: 0, op };
  const value = compileClosure({ root, slotCount: 0, isPresenceStrict: lowering.options.isPresenceStrict })(frame);
  if (value instanceof CelError || costSize(value) > MAX_SIZE) return op;
  lowering.cost += frame.cost;
  return { kind: "constant", start: op.start, end: op.end, value };
}

/** The operands of an operation that means the same whenever it is computed. */
function foldableOperands(op: Op): readonly Op[] | undefined {
  switch (op.kind) {
    case "not":
    case "size":
      return [op.operand];
    case "equal":
    case "compare":
    case "arithmetic":
      return [op.left, op.right];
    case "in":
      return [op.element, op.container];
    case "text":
      return [op.text, op.part];
    case "match":
      return [op.text, op.pattern];
    case "call":
      return op.overloads.some((overload) => overload.isVolatile) ? undefined : op.args;
    case "list":
      return op.elements.some((element) => element.isOptional) ? undefined : op.elements.map((element) => element.value);
    case "map":
      return op.entries.some((entry) => entry.isOptional) ? undefined : op.entries.flatMap((entry) => [entry.key, entry.value]);
    default:
      return undefined;
  }
}
