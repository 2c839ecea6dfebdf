import type { Branch, Op, PathOp } from "../plan/op.ts";
import type { CelValue } from "../value.ts";

/** Source under construction: statements, temporaries, constants, and what is already computed. */
export class Emitter {
  readonly isPresenceStrict: boolean;
  /** What tells programs with the same source apart: literals, and what source cannot express. Source finds them as `k0`, `k1` and so on. */
  readonly constants: unknown[] = [];
  /** Offsets into the expression, for the errors; source finds them in the array `p`. */
  readonly positions: number[] = [];
  readonly #emitOp: (emitter: Emitter, op: Op) => string;
  readonly #statements: string[] = [];
  #temporaries = 0;
  #labels = 0;
  /** Temporaries that hold what an expression came to, by a key for the expression; only those that surely ran. */
  #computed = new Map<string, string>();

  constructor(isPresenceStrict: boolean, emitOp: (emitter: Emitter, op: Op) => string) {
    this.isPresenceStrict = isPresenceStrict;
    this.#emitOp = emitOp;
  }

  /** The code of the operation's value: a name or a literal, to be read any number of times. */
  emit(op: Op): string {
    return this.#emitOp(this, op);
  }

  /** As `emit`, with the cost of the branch. What it computes is not known afterwards. */
  emitBranch(branch: Branch): string {
    this.charge(branch.cost);
    return this.emit(branch.op);
  }

  /** What is computed inside may not have run afterwards. */
  conditionally<T>(emitInside: () => T): T {
    const outer = this.#computed;
    this.#computed = new Map(outer);
    const result = emitInside();
    this.#computed = outer;
    return result;
  }

  line(statement: string): void {
    this.#statements.push(statement);
  }

  charge(cost: number): void {
    if (cost !== 0) this.line(`f.cost+=${cost};`);
  }

  /** A new temporary that holds the value of an expression. */
  assign(expression: string): string {
    const name = this.temporary();
    this.line(`${name}=${expression};`);
    return name;
  }

  temporary(): string {
    return `t${this.#temporaries++}`;
  }

  label(): string {
    return `l${this.#labels++}`;
  }

  /** The temporary of an expression that may be known already. */
  once(key: string, expression: () => string): string {
    const known = this.#computed.get(key);
    if (known !== undefined) return known;
    const name = this.assign(expression());
    this.#computed.set(key, name);
    return name;
  }

  /** The name of a constant. */
  constant(value: unknown): string {
    return `k${this.constants.push(value) - 1}`;
  }

  /** A value of the expression as source. Most are constants, so that expressions that differ in nothing else share their source. */
  literal(value: CelValue): string {
    return typeof value === "boolean" || value === null ? String(value) : this.constant(value);
  }

  /** Two arguments: where an operation starts and ends in the expression. */
  span(start: number, end: number): string {
    const index = this.positions.push(start, end) - 2;
    return `p[${index}],p[${index + 1}]`;
  }

  /** Two arguments: the positions, and the index of those of a path's start and of its steps' ends. */
  positionsOf({ start, steps }: PathOp): string {
    const index = this.positions.push(start, ...steps.map((step) => step.end)) - steps.length - 1;
    return `p,${index}`;
  }

  /** The body of the function so far. */
  body(slotCount: number): string {
    const locals = Array.from({ length: slotCount }, (_, slot) => `v${slot}`);
    const temporaries = Array.from({ length: this.#temporaries }, (_, index) => `t${index}`);
    const names = [...locals, ...temporaries].join(",");
    return `${names === "" ? "" : `let ${names};`}${this.#statements.join("")}`;
  }
}
