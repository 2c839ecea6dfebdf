import type { Frame } from "../frame.ts";
import type {
  Branch,
  CallOp,
  ConditionalOp,
  HasValueOp,
  LetOp,
  ListOp,
  LogicalOp,
  MapOp,
  Op,
  OptMapOp,
  OrOp,
  OrValueOp,
  PathOp,
  Plan,
  StructOp,
} from "../plan/op.ts";
import { lazyScope, lazyVariable, optional, presence } from "../runtime/access.ts";
import { call } from "../runtime/dispatch.ts";
import { boolError, list, map, not, overLimit, size, toDouble } from "../runtime/operation.ts";
import { at } from "../runtime/position.ts";
import { CelError, type CelValue } from "../value.ts";
import { compileAccess, compileHas, compileIndex, compileOptionalPath } from "./access.ts";
import { compileComprehension } from "./comprehension.ts";
import { compileArithmetic, compileCompare, compileEqual, compileIn, compileMatch, compileText } from "./operator.ts";

/** An operation as a function of the frame. */
export type Closure = (frame: Frame) => CelValue;
/** As `Closure`, for an optional value without its box: undefined when there is none. */
export type PresenceClosure = (frame: Frame) => CelValue | undefined;

/** The plan as nested functions: the back end for runtimes that disallow code generation from strings. */
export function compileClosure({ root, slotCount, isPresenceStrict }: Plan): Closure {
  const run = new ClosureCompiler(isPresenceStrict).branch(root);
  return (frame) => {
    const outer = frame.locals;
    if (slotCount > 0) frame.locals = new Array<CelValue>(slotCount).fill(null);
    const value = run(frame);
    frame.locals = outer;
    return frame.cost > frame.costLimit ? overLimit(frame) : value;
  };
}

export class ClosureCompiler {
  readonly isPresenceStrict: boolean;

  constructor(isPresenceStrict: boolean) {
    this.isPresenceStrict = isPresenceStrict;
  }

  branch({ cost, op }: Branch): Closure {
    const run = this.compile(op);
    if (cost === 0) return run;
    return (frame) => {
      frame.cost += cost;
      return run(frame);
    };
  }

  compile(op: Op): Closure {
    const { start, end } = op;
    switch (op.kind) {
      case "constant": {
        const { value } = op;
        return () => value;
      }
      case "local": {
        const { slot } = op;
        return (frame) => frame.locals[slot] ?? null;
      }
      case "variable":
        return compileAccess(op, this);
      case "lazy": {
        const { program } = op;
        return (frame) => lazyVariable(frame, program);
      }
      case "lazyScope": {
        const { scope } = op;
        return (frame) => lazyScope(frame, scope);
      }
      case "path":
        return op.optionalFrom < op.steps.length ? this.boxed(op) : compileAccess(op, this);
      case "index":
        return compileIndex(op, this);
      case "has":
        return compileHas(op, this);
      case "logical":
        return this.logical(op);
      case "not": {
        const operand = this.compile(op.operand);
        return (frame) => not(operand(frame), start, end);
      }
      case "conditional":
        return this.conditional(op);
      case "equal":
        return compileEqual(op, this);
      case "compare":
        return compileCompare(op, this);
      case "arithmetic":
        return compileArithmetic(op, this);
      case "in":
        return compileIn(op, this);
      case "size": {
        const operand = this.compile(op.operand);
        return (frame) => size(operand(frame), start, end);
      }
      case "text":
        return compileText(op, this);
      case "match":
        return compileMatch(op, this);
      case "call":
        return this.call(op);
      case "list":
        return this.list(op);
      case "map":
        return this.map(op);
      case "struct":
        return this.struct(op);
      case "comprehension":
        return compileComprehension(op, this);
      case "let":
        return this.let(op);
      case "optMap":
      case "or":
        return this.boxed(op);
      case "hasValue":
        return this.hasValue(op);
      case "orValue":
        return this.orValue(op);
      case "toDouble": {
        const operand = this.compile(op.operand);
        return (frame) => toDouble(operand(frame));
      }
      default:
        return op satisfies never;
    }
  }

  /** An operation whose result is an optional value, made from its presence. */
  boxed(op: PathOp | OptMapOp | OrOp): Closure {
    const inner = this.presence(op, "");
    return (frame) => optional(inner(frame));
  }

  /** The presence of an operation that gives an optional value. `fn` is the function that needs it. */
  presence(op: Op, fn: string): PresenceClosure {
    const { start, end } = op;
    if (op.kind === "path" && op.optionalFrom < op.steps.length) return compileOptionalPath(op, this);
    if (op.kind === "optMap") return this.optMap(op);
    if (op.kind === "or") {
      const target = this.presence(op.target, "or");
      const { cost } = op.other;
      const other = this.presence(op.other.op, "or");
      return (frame) => {
        const value = target(frame);
        if (value !== undefined) return value;
        frame.cost += cost;
        return other(frame);
      };
    }
    const run = this.compile(op);
    return (frame) => presence(run(frame), fn, this.isPresenceStrict, start, end);
  }

  /** The first term that decides; otherwise the first error; otherwise what all terms are. */
  logical({ terms, isAnd }: LogicalOp): Closure {
    const runs = terms.map(({ cost, op }) => ({ cost, run: this.compile(op), start: op.start, end: op.end }));
    return (frame) => {
      let outcome: CelValue = isAnd;
      for (const { cost, run, start, end } of runs) {
        frame.cost += cost;
        const value = run(frame);
        if (value === isAnd) continue;
        if (value === !isAnd) return value;
        if (outcome === isAnd) outcome = boolError(value, start, end);
      }
      return outcome;
    };
  }

  conditional({ condition, whenTrue, whenFalse }: ConditionalOp): Closure {
    const { start, end } = condition;
    const decide = this.compile(condition);
    const yes = this.branch(whenTrue);
    const no = this.branch(whenFalse);
    return (frame) => {
      const decision = decide(frame);
      if (decision === true) return yes(frame);
      return decision === false ? no(frame) : boolError(decision, start, end);
    };
  }

  call({ fn, overloads, isCostly, start, end, args }: CallOp): Closure {
    const site = { fn, overloads, isCostly, start, end };
    const runs = args.map((arg) => this.compile(arg));
    const [first, second, ...others] = runs;
    if (first === undefined || others.length > 0) {
      return (frame) =>
        call(
          frame,
          site,
          runs.map((run) => run(frame)),
        );
    }
    if (second === undefined) return (frame) => call(frame, site, [first(frame)]);
    return (frame) => call(frame, site, [first(frame), second(frame)]);
  }

  /** An element of a list or a value of a map: an optional one is left out when it is absent. */
  element(value: Op, isOptional: boolean): PresenceClosure {
    return isOptional ? this.presence(value, "?") : this.compile(value);
  }

  list({ elements }: ListOp): Closure {
    const runs = elements.map(({ value, isOptional }) => this.element(value, isOptional));
    return (frame) => list(runs.map((run) => run(frame)));
  }

  map({ entries, start, end }: MapOp): Closure {
    const runs = entries.flatMap(({ key, value, isOptional }) => [this.compile(key), this.element(value, isOptional)]);
    return (frame) =>
      map(
        runs.map((run) => run(frame)),
        start,
        end,
      );
  }

  struct({ fields, construct, start, end }: StructOp): Closure {
    const runs = fields.flatMap(({ key, value, isOptional }): readonly PresenceClosure[] => [() => key, this.element(value, isOptional)]);
    return (frame) => {
      const made = map(
        runs.map((run) => run(frame)),
        start,
        end,
      );
      return construct === null || made instanceof CelError ? made : at(construct(made), start, end);
    };
  }

  let({ bindings, body }: LetOp): Closure {
    const values = bindings.map(({ value, slot }) => ({ slot, run: this.compile(value) }));
    const result = this.compile(body);
    return (frame) => {
      for (const { slot, run } of values) frame.locals[slot] = run(frame);
      return result(frame);
    };
  }

  optMap({ target, slot, body, isFlat }: OptMapOp): PresenceClosure {
    const from = this.presence(target, "optMap");
    const { cost } = body;
    const run = isFlat ? this.presence(body.op, "optFlatMap") : this.compile(body.op);
    return (frame) => {
      const value = from(frame);
      if (value === undefined) {
        // optional.none()
        frame.cost += 1;
        return undefined;
      }
      if (value instanceof CelError) return value;
      frame.cost += cost;
      frame.locals[slot] = value;
      return run(frame);
    };
  }

  hasValue({ target }: HasValueOp): Closure {
    const run = this.presence(target, "hasValue");
    return (frame) => {
      const value = run(frame);
      return value instanceof CelError ? value : value !== undefined;
    };
  }

  orValue({ target, other }: OrValueOp): Closure {
    const run = this.presence(target, "orValue");
    const fallback = this.branch(other);
    return (frame) => {
      const value = run(frame);
      return value === undefined ? fallback(frame) : value;
    };
  }
}
