/** Values and control flow of a function. */
import * as form from "../assembler/instructions.ts";
import type { Line } from "../assembler/line.ts";
import { EbpfError } from "../ebpf-error.ts";
import type { Register, SourcePosition } from "../instruction.ts";
import type { Layout } from "../layout.ts";
import { callSite } from "./call-site.ts";
import { Emitter } from "./emitter.ts";
import { Condition, type Expression, expressionOf, type Home, Scalar, type ScalarLike } from "./expression.ts";
import { Frame } from "./frame.ts";
import { type Argument, Memory, type Region, type Statements } from "./memory.ts";
import { Nullable } from "./nullable.ts";
import { type HeldRecord, PathState } from "./path-state.ts";
import type { Unit } from "./unit.ts";

/** A value that can be set again, as a number of the program's own. */
export class Variable extends Scalar {
  readonly home: Home;

  constructor(home: Home) {
    super({ kind: "home", home });
    this.home = home;
  }
}
/** Ends a loop, or its current round. */
export interface Loop {
  break(): void;
  continue(): void;
}
const MAX_UNROLLED = 16;
export const R0: Register = 0;

/** The statements that call nothing. */
export class Flow implements Statements {
  readonly emitter: Emitter;
  state: PathState = new PathState();
  protected readonly frame: Frame;
  protected readonly unit: Unit;
  /** What is known on the paths that jump to a label. */
  readonly #arrivals = new Map<string, PathState[]>();

  /** `createProgram` and `subprogram` make them. */
  constructor(unit: Unit, name: string, savedRegisters: readonly (6 | 7 | 8 | 9)[], source: SourcePosition) {
    this.unit = unit;
    this.frame = new Frame(savedRegisters);
    this.emitter = new Emitter(name, this.frame, source);
  }

  get lines(): readonly Line[] {
    return this.emitter.lines;
  }

  /** Bytes of the stack frame. */
  get stackDepth(): number {
    return this.frame.depth;
  }

  begin(): void {
    this.emitter.source = callSite();
  }

  /** Says in the listing what the next statement is for. */
  comment(text: string): this {
    this.emitter.comment = text.replaceAll(/\s+/g, " ").slice(0, 200);
    return this;
  }

  result(name: string): Scalar {
    const home = this.frame.home(name, this.emitter.source);
    this.emitter.keep(home);
    return new Scalar({ kind: "home", home });
  }

  /** The value as it is now, where it stays until the end of the block. */
  let(value: ScalarLike, name: string = "value"): Scalar {
    this.begin();
    return new Scalar(this.keepValue(expressionOf(value), name));
  }

  /** A value that can be set again with `assign`. */
  variable(initial: ScalarLike = 0, name: string = "variable"): Variable {
    this.begin();
    const home = this.frame.home(name, this.emitter.source);
    this.emitter.assign(home, expressionOf(initial));
    return new Variable(home);
  }

  assign(variable: Variable, value: ScalarLike): void {
    this.begin();
    this.emitter.assign(variable.home, expressionOf(value));
  }

  protected keepValue(expression: Expression, name: string): Expression {
    const home = this.frame.home(name, this.emitter.source);
    this.emitter.assign(home, expression);
    return { kind: "home", home };
  }

  /** Memory on the stack, of zeros or of what is given for each field. */
  stack<T>(layout: Layout<T>, initial?: Argument<T>): Memory<T> {
    this.begin();
    return this.putOnStack(layout, initial);
  }

  protected putOnStack<T>(layout: Layout<T>, initial?: Argument<T>): Memory<T> {
    const memory = this.stackArea(layout, { kind: "stack" });
    // Padding too: the kernel compares keys as bytes, and refuses to read what was not written.
    const size = Math.ceil(layout.size / 8) * 8;
    const isWritten = initial !== undefined && layout.kind === "integer" && layout.size === 8;
    const { base } = memory;
    if (!isWritten) for (let offset = 0; offset < size; offset += 8) this.emitter.store(8, base, offset, { kind: "constant", value: 0n });
    if (initial !== undefined) memory.assign(initial);
    return memory;
  }

  /** Memory on the stack for a function of the kernel to write to. It cannot be read before. */
  buffer<T>(layout: Layout<T>): Memory<T> {
    this.begin();
    return this.stackArea(layout, { kind: "stack", written: {} });
  }

  protected stackArea<T>(layout: Layout<T>, region: Region): Memory<T> {
    const offset = this.frame.area(layout.size, layout.kind === "struct" ? layout.name : layout.kind, this.emitter.source);
    return new Memory(this, layout, { kind: "frame", offset, block: this.frame.block }, region);
  }

  if(condition: Condition, then: () => void, otherwise?: () => void): void {
    this.begin();
    this.choose(condition, then, otherwise);
  }

  protected choose(condition: Condition, then: () => void, otherwise?: () => void): void {
    const { source } = this.emitter;
    const elseLabel = this.emitter.newLabel("else");
    this.branchIf(condition, elseLabel, false);
    this.inBlock(then);
    this.emitter.source = source;
    if (otherwise === undefined) {
      this.placeLabel(elseLabel);
      return;
    }
    const endLabel = this.emitter.newLabel("end");
    this.jumpTo(endLabel);
    this.placeLabel(elseLabel);
    this.inBlock(otherwise);
    this.emitter.source = source;
    this.placeLabel(endLabel);
  }

  /** Does the first for what is there, and the second where there is nothing. */
  ifNonNull<P>(nullable: Nullable<P>, then: (pointer: P) => void, otherwise?: () => void): void {
    this.begin();
    const [pointer, isNull] = this.check(nullable);
    this.choose(isNull.not(), () => then(pointer), otherwise);
  }

  /** What is there; where there is nothing, `otherwise` must end the program, the loop or its round. */
  orElse<P>(nullable: Nullable<P>, otherwise: () => void): P {
    this.begin();
    const { source } = this.emitter;
    const [pointer, isNull] = this.check(nullable);
    const there = this.emitter.newLabel("there");
    this.branchIf(isNull, there, false);
    this.inBlock(otherwise);
    if (this.emitter.isReachable)
      throw new EbpfError("EBPF_RETURN", "the program goes on with a pointer that is null", {
        source,
        hint: "return in `orElse`, or use `ifNonNull`",
      });
    this.emitter.source = source;
    this.placeLabel(there);
    return pointer;
  }

  protected check<P>(nullable: Nullable<P>): readonly [P, Condition] {
    const { expression, pointerAt } = Nullable.unchecked(nullable);
    const home = expression.kind === "home" ? expression : this.keepValue(expression, "pointer");
    return [pointerAt(home), new Condition({ kind: "compare", comparison: "eq", left: home, right: expressionOf(0), bits: 64 })];
  }

  /**
   * Repeats `body` a fixed number of times, written out up to 16 times and looped beyond.
   *
   * The kernel walks through each round of a loop; with `guard: "may_goto"` (Linux 6.9) it does not, and what changes in the
   * loop must then be compared or masked before it is used as an index.
   */
  repeat(
    count: number,
    body: (index: Scalar, loop: Loop) => void,
    options: { readonly guard?: "count" | "may_goto"; readonly unroll?: boolean } = {},
  ): void {
    this.begin();
    if (!Number.isInteger(count) || count < 1 || count > 1 << 23)
      throw new RangeError(`expected to repeat 1 to ${1 << 23} times, got ${count}`);
    const end = this.emitter.newLabel("end");
    if (options.unroll ?? count <= MAX_UNROLLED) this.#unrolled(count, body, end);
    else this.#looped(count, body, end, options.guard ?? "count");
    this.placeLabel(end);
  }

  #unrolled(count: number, body: (index: Scalar, loop: Loop) => void, end: string): void {
    const { source } = this.emitter;
    for (let index = 0; index < count; index++) {
      const next = this.emitter.newLabel("next");
      this.inBlock(() => body(new Scalar(expressionOf(index)), { break: () => this.jumpTo(end), continue: () => this.jumpTo(next) }));
      this.emitter.source = source;
      this.placeLabel(next);
    }
  }

  #looped(count: number, body: (index: Scalar, loop: Loop) => void, end: string, guard: "count" | "may_goto"): void {
    const { source } = this.emitter;
    this.frame.enter();
    const index = this.variable(0, "index");
    this.emitter.source = source;
    const head = this.emitter.newLabel("loop");
    const next = this.emitter.newLabel("next");
    this.emitter.placeLoop(head);
    const atHead = this.state.copy();
    if (guard === "may_goto") {
      this.unit.usesMayGoto = true;
      this.emitter.emit(form.mayGoto(end));
      this.#arrive(end);
    }
    this.branchIf(index.ge(count), end, true);
    this.inBlock(() => body(index, { break: () => this.jumpTo(end), continue: () => this.jumpTo(next) }));
    this.emitter.source = source;
    this.placeLabel(next);
    this.emitter.assign(index.home, index.add(1).expression);
    if (this.emitter.isReachable) atHead.meet(this.state);
    this.emitter.jump(head);
    this.frame.leave();
  }

  /** Ends the program, or the subprogram, with a result. */
  return(value: ScalarLike): void {
    this.begin();
    this.emitReturn(value);
  }

  protected emitReturn(value: ScalarLike): void {
    if (!this.emitter.isReachable) return;
    for (const record of this.state.held) throw this.leakOf(record);
    this.emitter.evaluate(expressionOf(value), R0);
    this.emitter.exit();
  }

  /** Ends a function whose last statement may be reached: with `result`, or not at all. */
  finish(result: number | undefined): void {
    if (!this.emitter.isReachable) return;
    if (result === undefined)
      throw new EbpfError("EBPF_RETURN", "the program has a path that ends without a result", {
        source: this.emitter.source,
        hint: "end it with `return`",
      });
    this.emitReturn(result);
  }

  protected leakOf(record: HeldRecord): EbpfError {
    return new EbpfError(
      "EBPF_RECORD",
      `a record of \`${record.ring}\` is neither submitted nor discarded on the path that ends at line ${this.emitter.source.line}`,
      {
        source: record.reservedAt,
        hint: "submit or discard it before the path ends",
      },
    );
  }

  protected inBlock(body: () => void): void {
    this.frame.enter();
    body();
    this.frame.leave();
  }

  protected branchIf(condition: Condition, label: string, when: boolean): void {
    this.emitter.branch(condition.test, label, when);
    this.#arrive(label);
  }

  protected jumpTo(label: string): void {
    this.#arrive(label);
    this.emitter.jump(label);
  }

  #arrive(label: string): void {
    if (!this.emitter.isReachable) return;
    const states = this.#arrivals.get(label) ?? [];
    states.push(this.state.copy());
    this.#arrivals.set(label, states);
  }

  protected placeLabel(label: string): void {
    const states = [...(this.#arrivals.get(label) ?? []), ...(this.emitter.isReachable ? [this.state] : [])];
    this.emitter.place(label);
    const [first, ...others] = states;
    if (first !== undefined) this.state = others.reduce((sofar, other) => sofar.meet(other), first);
  }
}
