/** Macros as loops. Every element charges its branch; the loop ends when the limit is exceeded. */
import type { Frame } from "../frame.ts";
import type { ComprehensionOp } from "../plan/op.ts";
import { MapBuilder } from "../runtime/map.ts";
import { addEntry, addTransformed, boolError, elements, overLimit, values } from "../runtime/operation.ts";
import { at } from "../runtime/position.ts";
import { CelError, type CelValue } from "../value.ts";
import type { Closure, ClosureCompiler } from "./compile.ts";

/** Takes one element, with the variables set, and says whether the loop goes on. */
type Visit = (element: CelValue) => boolean;
/** Gives the error of the range or of the cost limit. */
type Loop = (frame: Frame, visit: Visit) => CelError | undefined;

export function compileComprehension(op: ComprehensionOp, compiler: ClosureCompiler): Closure {
  switch (op.macro) {
    case "all":
      return quantifier(op, compiler, true);
    case "exists":
      return quantifier(op, compiler, false);
    case "existsOne":
      return existsOne(op, compiler);
    case "filter":
      return filter(op, compiler);
    case "map":
    case "transformList":
      return transformList(op, compiler);
    case "transformMap":
    case "transformMapEntry":
      return transformMap(op, compiler);
    default:
      return op.macro satisfies never;
  }
}

function compileLoop(op: ComprehensionOp, compiler: ClosureCompiler): Loop {
  const { start, end, slot1, slot2, exitCost } = op;
  const range = compiler.compile(op.range);
  return (frame, visit) => {
    const over = range(frame);
    const keys = elements(over, start, end);
    if (keys instanceof CelError) return keys;
    const seconds = slot2 === null ? keys : values(over, keys);
    const isIndexed = slot2 !== null && Array.isArray(over);
    for (let index = 0; index < keys.length; index++) {
      const first = isIndexed ? index : (keys[index] ?? null);
      frame.locals[slot1] = first;
      if (slot2 !== null) frame.locals[slot2] = seconds[index] ?? null;
      const goesOn = visit(first);
      if (frame.cost > frame.costLimit) return overLimit(frame);
      if (goesOn) continue;
      if (index + 1 < keys.length) frame.cost += exitCost;
      break;
    }
    return undefined;
  };
}

/** `all` ends at the first false, `exists` at the first true; an error is the result only if nothing decides. */
function quantifier(op: ComprehensionOp, compiler: ClosureCompiler, isAll: boolean): Closure {
  const { cost } = op.body;
  const { start, end } = op.body.op;
  const body = compiler.compile(op.body.op);
  const loop = compileLoop(op, compiler);
  return (frame) => {
    let outcome: CelValue = isAll;
    const failure = loop(frame, () => {
      frame.cost += cost;
      const value = body(frame);
      if (value === isAll) return true;
      if (value === !isAll) {
        outcome = value;
        return false;
      }
      if (outcome === isAll) outcome = boolError(value, start, end);
      return true;
    });
    return failure ?? outcome;
  };
}

function existsOne(op: ComprehensionOp, compiler: ClosureCompiler): Closure {
  const { acceptCost } = op;
  const { start, end } = op.body.op;
  const body = compiler.branch(op.body);
  const loop = compileLoop(op, compiler);
  return (frame) => {
    let count = 0;
    let error: CelError | undefined;
    const failure = loop(frame, () => {
      const value = body(frame);
      if (value === true) {
        count++;
        frame.cost += acceptCost;
      } else if (value !== false) error = boolError(value, start, end);
      return error === undefined;
    });
    return failure ?? error ?? count === 1;
  };
}

function filter(op: ComprehensionOp, compiler: ClosureCompiler): Closure {
  const { acceptCost } = op;
  const { start, end } = op.body.op;
  const body = compiler.branch(op.body);
  const loop = compileLoop(op, compiler);
  return (frame) => {
    const kept: CelValue[] = [];
    let error: CelError | undefined;
    const failure = loop(frame, (element) => {
      const value = body(frame);
      if (value === true) {
        kept.push(element);
        frame.cost += acceptCost;
      } else if (value !== false) error = boolError(value, start, end);
      return error === undefined;
    });
    return failure ?? error ?? kept;
  };
}

/** Whether the filter of a transform takes the element; everything when it has none. */
function compileFilter({ filter: branch }: ComprehensionOp, compiler: ClosureCompiler): (frame: Frame) => boolean | CelError {
  if (branch === null) return () => true;
  const { start, end } = branch.op;
  const predicate = compiler.branch(branch);
  return (frame) => {
    const value = predicate(frame);
    return typeof value === "boolean" ? value : boolError(value, start, end);
  };
}

function transformList(op: ComprehensionOp, compiler: ClosureCompiler): Closure {
  const body = compiler.branch(op.body);
  const loop = compileLoop(op, compiler);
  const accepts = compileFilter(op, compiler);
  return (frame) => {
    const made: CelValue[] = [];
    let error: CelError | undefined;
    const failure = loop(frame, () => {
      const accepted = accepts(frame);
      if (accepted === false) return true;
      const value = accepted === true ? body(frame) : accepted;
      if (value instanceof CelError) error = value;
      else made.push(value);
      return error === undefined;
    });
    return failure ?? error ?? made;
  };
}

function transformMap(op: ComprehensionOp, compiler: ClosureCompiler): Closure {
  const { start, end } = op;
  const body = compiler.branch(op.body);
  const loop = compileLoop(op, compiler);
  const accepts = compileFilter(op, compiler);
  const add =
    op.macro === "transformMap" ? addTransformed : (builder: MapBuilder, _key: CelValue, entry: CelValue) => addEntry(builder, entry);
  return (frame) => {
    const builder = new MapBuilder();
    let error: CelError | undefined;
    const failure = loop(frame, (key) => {
      const accepted = accepts(frame);
      if (accepted === false) return true;
      const value = accepted === true ? body(frame) : accepted;
      error = at(add(builder, key, value), start, end);
      return error === undefined;
    });
    return failure ?? error ?? builder.build();
  };
}
