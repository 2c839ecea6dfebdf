/** Variables, selection and presence as closures: plain property access where the names allow it, otherwise the run-time functions. */
import type { Frame } from "../frame.ts";
import type { HasOp, IndexOp, InOp, Op, PathOp } from "../plan/op.ts";
import { has, index, optionalIndex, optionalPath, own, path, variable } from "../runtime/access.ts";
import { accessTo, isUsualMap, readDirect } from "../runtime/field-access.ts";
import { isIn } from "../runtime/operation.ts";
import type { CelValue } from "../value.ts";
import type { Closure, ClosureCompiler, PresenceClosure } from "./compile.ts";

/** Reads one key the fast way. */
type Read = (value: CelValue | undefined) => CelValue | undefined;

function reader(key: string | number): Read {
  if (typeof key === "number") return (value) => (Array.isArray(value) ? value[key] : undefined);
  switch (accessTo(key)) {
    case "direct":
      return (value) => readDirect(value, key);
    case "plain":
      return (value) => (isUsualMap(value) ? readDirect(value, key) : own(value, key));
    default:
      return (value) => own(value, key);
  }
}

/** A chain of constant steps behind a base. Reading is pure, so it may happen twice; the base is evaluated once. */
interface Chain {
  /** The variable or value where the chain begins; undefined when the variable is not bound as an own property. */
  readonly base: PresenceClosure;
  /** The base that was undefined: a value after all, or the error that says why there is none. */
  readonly resolveBase: Closure;
  /** The end of the chain, or undefined when the fast way does not lead there. */
  readonly read: Read;
  /** The end of the chain, or the error that says why there is none. */
  readonly resolve: (base: CelValue) => CelValue;
}

function compileChain(op: Op, compiler: ClosureCompiler): Chain {
  if (op.kind === "path" && op.optionalFrom === op.steps.length) {
    const { base, resolveBase } = compileBase(op.root, compiler);
    const { keys, positions } = stepsOf(op);
    const { isPresenceStrict } = compiler;
    return { base, resolveBase, read: readerOf(keys), resolve: (value) => path(value, keys, isPresenceStrict, positions, 0) };
  }
  return { ...compileBase(op, compiler), read: (value) => value, resolve: (value) => value };
}

function compileBase(op: Op, compiler: ClosureCompiler): Pick<Chain, "base" | "resolveBase"> {
  if (op.kind !== "variable") {
    const base = compiler.compile(op);
    return { base, resolveBase: () => null };
  }
  const { name, start, end } = op;
  const resolveBase = (frame: Frame): CelValue => variable(frame, name, start, end);
  return { base: accessTo(name) === "own" ? resolveBase : (frame) => frame.bindings[name], resolveBase };
}

const stepsOf = ({ steps, start }: PathOp): { readonly keys: readonly (string | number)[]; readonly positions: readonly number[] } => ({
  keys: steps.map((step) => step.key),
  positions: [start, ...steps.map((step) => step.end)],
});

const isDirect = (key: string | number): key is string => typeof key === "string" && accessTo(key) === "direct";

function readerOf(keys: readonly (string | number)[]): Read {
  if (keys.every(isDirect)) {
    return (base) => {
      let value = base;
      for (const key of keys) value = readDirect(value, key);
      return value;
    };
  }
  const readers = keys.map(reader);
  return (base) => {
    let value = base;
    for (const read of readers) value = read(value);
    return value;
  };
}

/** A variable, or a path without optional steps. */
export function compileAccess(op: Op, compiler: ClosureCompiler): Closure {
  const { base, resolveBase, read, resolve } = compileChain(op, compiler);
  return (frame) => {
    const from = base(frame);
    const value = read(from);
    return value === undefined ? resolve(from === undefined ? resolveBase(frame) : from) : value;
  };
}

/** A path with optional steps. */
export function compileOptionalPath(op: PathOp, compiler: ClosureCompiler): PresenceClosure {
  const { optionalFrom } = op;
  const { base, resolveBase } = compileBase(op.root, compiler);
  const { keys, positions } = stepsOf(op);
  const readers = keys.map(reader);
  return (frame) => {
    const from = base(frame);
    let value = from;
    for (let step = 0; step < readers.length; step++) {
      const next = readers[step]?.(value);
      if (next === undefined) {
        if (step >= optionalFrom && isUsualMap(value)) {
          frame.cost -= readers.length - step;
          return undefined;
        }
        return optionalPath(
          frame,
          from === undefined ? resolveBase(frame) : from,
          keys,
          optionalFrom,
          compiler.isPresenceStrict,
          positions,
          0,
        );
      }
      value = next;
    }
    return value;
  };
}

/** Whether the map at the end of a chain has a key; `slow` answers for what is not a usual map. */
function compilePresenceTest(
  container: Op,
  key: string,
  compiler: ClosureCompiler,
  slow: (container: CelValue) => CelValue,
  charge?: (frame: Frame, container: CelValue | undefined) => void,
): Closure {
  const { base, resolveBase, read, resolve } = compileChain(container, compiler);
  const readKey = reader(key);
  return (frame) => {
    const from = base(frame);
    const value = read(from);
    charge?.(frame, value);
    if (readKey(value) !== undefined) return true;
    if (isUsualMap(value)) return false;
    return slow(value === undefined ? resolve(from === undefined ? resolveBase(frame) : from) : value);
  };
}

export function compileHas({ operand, key, start, end }: HasOp, compiler: ClosureCompiler): Closure {
  return compilePresenceTest(operand, key, compiler, (value) => has(value, key, compiler.isPresenceStrict, start, end));
}

/** `"key" in map`, which is a presence test unless the container turns out to be a list. */
export function compileKeyIn(key: string, { container, start, end, isCostly }: InOp, compiler: ClosureCompiler): Closure {
  const charge = (frame: Frame, value: CelValue | undefined): void => {
    frame.cost += Array.isArray(value) ? value.length : 1;
  };
  return compilePresenceTest(container, key, compiler, (value) => isIn(key, value, start, end), isCostly ? charge : undefined);
}

export function compileIndex({ start, end, container, key, isOptional }: IndexOp, compiler: ClosureCompiler): Closure {
  const from = compiler.compile(container);
  const by = compiler.compile(key);
  const { isPresenceStrict } = compiler;
  return isOptional
    ? (frame) => optionalIndex(frame, from(frame), by(frame), isPresenceStrict, start, end)
    : (frame) => index(from(frame), by(frame), isPresenceStrict, start, end);
}
