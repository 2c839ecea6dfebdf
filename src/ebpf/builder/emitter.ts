/** Collects the lines of one function and evaluates expressions into registers. */
import * as form from "../assembler/instructions.ts";
import type { Line } from "../assembler/line.ts";
import { EbpfError } from "../ebpf-error.ts";
import type { Register, SourcePosition } from "../instruction.ts";
import type { Comparison } from "../opcode.ts";
import type { Expression, Home, Test } from "./expression.ts";
import type { Frame } from "./frame.ts";

const MIN_32 = -(1n << 31n);
const MAX_32 = (1n << 31n) - 1n;

const OPPOSITE: Readonly<Record<Exclude<Comparison, "set">, Comparison>> = {
  eq: "ne",
  ne: "eq",
  lt: "ge",
  ge: "lt",
  le: "gt",
  gt: "le",
  slt: "sge",
  sge: "slt",
  sle: "sgt",
  sgt: "sle",
};

/** Registers that no value lives in. */
const SCRATCH: readonly Register[] = [0, 1, 2, 3, 4, 5];

const FRAME_POINTER: Register = 10;

export class Emitter {
  readonly lines: Line[] = [];
  readonly #frame: Frame;
  readonly #prefix: string;
  readonly #targets = new Set<string>();
  #labels = 0;
  source: SourcePosition;
  comment: string | undefined;
  /** Whether the next line can be reached. Lines that cannot are left out: the kernel refuses them. */
  isReachable = true;

  constructor(prefix: string, frame: Frame, source: SourcePosition) {
    this.#prefix = prefix;
    this.#frame = frame;
    this.source = source;
  }

  emit(line: Line): void {
    if (!this.isReachable) return;
    if (line.kind === "jump") this.#targets.add(line.target);
    this.lines.push(this.#described(line));
  }

  #described(line: Line): Line {
    if (line.kind !== "instruction" && line.kind !== "jump") return line;
    const comment = line.instruction.comment ?? this.comment;
    this.comment = undefined;
    return { ...line, instruction: { ...line.instruction, ...(comment === undefined ? {} : { comment }), source: this.source } };
  }

  /** A name for a label that is not yet anywhere. */
  newLabel(meaning: string): string {
    return `${this.#prefix}.${meaning}.${this.#labels++}`;
  }

  /** The label stands here; whether anything jumps to it decides with what stands before whether here can be reached. */
  place(label: string): void {
    if (this.#targets.has(label)) this.isReachable = true;
    if (this.isReachable) this.lines.push(form.label(label));
  }

  isTarget(label: string): boolean {
    return this.#targets.has(label);
  }

  /** A label that later lines jump back to. */
  placeLoop(label: string): void {
    if (this.isReachable) this.lines.push(form.label(label));
  }

  jump(label: string): void {
    this.emit(form.jump(label));
    this.isReachable = false;
  }

  exit(): void {
    this.emit(form.exit());
    this.isReachable = false;
  }

  /** The value in `target`; of the scratch registers only `target` and `spare` change. */
  evaluate(expression: Expression, target: Register, spare: readonly Register[] = SCRATCH.filter((register) => register !== target)): void {
    switch (expression.kind) {
      case "constant":
        this.#constant(expression.value, target);
        return;
      case "home":
        this.#home(this.#checked(expression.home), target);
        return;
      case "frame":
        this.#checkBlock(expression.block, "memory on the stack");
        this.emit(form.move(target, { register: FRAME_POINTER }));
        this.emit(form.arithmetic("add", target, expression.offset));
        return;
      case "load":
        this.#load(expression, target, spare);
        return;
      case "binary":
        this.#binary(expression, target, spare);
        return;
      case "negate":
        this.evaluate(expression.operand, target, spare);
        this.emit(form.negate(target));
        return;
      case "endian":
        this.evaluate(expression.operand, target, spare);
        this.emit(form.endian(expression.order, target, expression.bits));
        return;
      case "extend":
        this.evaluate(expression.operand, target, spare);
        this.#extend(target, expression.from);
        return;
      default:
        expression satisfies never;
    }
  }

  #constant(value: bigint, target: Register): void {
    this.emit(fits32(value) ? form.move(target, Number(value)) : form.loadImmediate(target, value));
  }

  #home(home: Home, target: Register): void {
    if (home.kind === "slot") this.emit(form.load(8, target, FRAME_POINTER, home.offset));
    else this.emit(form.move(target, { register: home.register }));
  }

  #checked(home: Home): Home {
    this.#checkBlock(home.block, `\`${home.name}\``);
    return home;
  }

  #checkBlock(block: { readonly isOpen: boolean }, what: string): void {
    if (!block.isOpen)
      throw new EbpfError("EBPF_UNINITIALISED", `${what} is used after the end of the block that it belongs to`, {
        source: this.source,
        hint: "make it before the block, with `variable`, and set it inside",
      });
  }

  /** A register that has the value already, or `target` once it was evaluated into it. */
  #inRegister(expression: Expression, target: Register, spare: readonly Register[]): Register {
    if (expression.kind === "home") {
      const home = this.#checked(expression.home);
      if (home.kind === "register") return home.register;
    }
    this.evaluate(expression, target, spare);
    return target;
  }

  #load(expression: Extract<Expression, { kind: "load" }>, target: Register, spare: readonly Register[]): void {
    expression.guard?.();
    const { width, base, isBigEndian, isSigned } = expression;
    const [from, offset] = this.#address(base, expression.offset, target, spare);
    const loaded = form.load(width, target, from, offset);
    this.emit(expression.comment === undefined ? loaded : form.commented(expression.comment, loaded));
    if (isBigEndian && width > 1) this.emit(form.endian("big", target, width === 2 ? 16 : width === 4 ? 32 : 64));
    if (isSigned && width < 8) this.#extend(target, width === 1 ? 8 : width === 2 ? 16 : 32);
  }

  /** Register and offset of an address, with constants folded into the offset. */
  #address(base: Expression, offset: number, target: Register, spare: readonly Register[]): readonly [Register, number] {
    if (base.kind === "frame") {
      this.#checkBlock(base.block, "memory on the stack");
      return [FRAME_POINTER, base.offset + offset];
    }
    if (base.kind === "binary" && base.operation === "add" && base.right.kind === "constant") {
      const folded = offset + Number(base.right.value);
      if (Math.abs(folded) < 0x8000) return this.#address(base.left, folded, target, spare);
    }
    return [this.#inRegister(base, target, spare), offset];
  }

  /** Sign extension by shifts: the instruction for it is younger than many kernels in use. */
  #extend(target: Register, from: 8 | 16 | 32): void {
    this.emit(form.arithmetic("lsh", target, 64 - from));
    this.emit(form.arithmetic("arsh", target, 64 - from));
  }

  #binary(expression: Extract<Expression, { kind: "binary" }>, target: Register, spare: readonly Register[]): void {
    const { operation, left, right, bits } = expression;
    if (right.kind === "constant" && fits32(right.value)) {
      this.evaluate(left, target, spare);
      this.emit(form.arithmetic(operation, target, Number(right.value), bits));
      return;
    }
    const [operandRegister, ...rest] = spare;
    if (operandRegister === undefined) throw new TypeError("an expression needs a second register");
    if (rest.length === 0 && !isSimple(right)) {
      const offset = this.#frame.area(8, "an intermediate result", this.source);
      this.evaluate(right, target, spare);
      this.emit(form.store(8, FRAME_POINTER, offset, { register: target }));
      this.evaluate(left, target, spare);
      this.emit(form.load(8, operandRegister, FRAME_POINTER, offset));
      this.emit(form.arithmetic(operation, target, { register: operandRegister }, bits));
      return;
    }
    this.evaluate(left, target, spare);
    const register = this.#inRegister(right, operandRegister, rest.length === 0 ? [] : rest);
    this.emit(form.arithmetic(operation, target, { register }, bits));
  }

  /** Stores a value at an address. */
  store(width: 1 | 2 | 4 | 8, base: Expression, offset: number, value: Expression, isBigEndian = false): void {
    const stored: Expression =
      isBigEndian && width > 1 ? { kind: "endian", operand: value, order: "big", bits: width === 2 ? 16 : width === 4 ? 32 : 64 } : value;
    if (stored.kind === "constant" && fits32(stored.value)) {
      const [to, at] = this.#address(base, offset, 1, [0, 2, 3, 4, 5]);
      this.emit(form.store(width, to, at, Number(stored.value)));
      return;
    }
    // The value first: it may need all registers.
    const register = this.#inRegister(stored, 0, [1, 2, 3, 4, 5]);
    const [to, at] = this.#address(base, offset, 1, [2, 3, 4, 5]);
    this.emit(form.store(width, to, at, { register }));
  }

  /** An atomic operation; with a fetching one the old value is in r0 afterwards. */
  atomic(operation: Parameters<typeof form.atomic>[0], width: 4 | 8, base: Expression, offset: number, value: Expression): void {
    this.evaluate(value, 0);
    const [to, at] = this.#address(base, offset, 1, [2, 3, 4, 5]);
    this.emit(form.atomic(operation, width, to, at, 0));
  }

  /** As the kernel's compare and exchange: the old value is in r0 afterwards. */
  compareExchange(width: 4 | 8, base: Expression, offset: number, expected: Expression, value: Expression): void {
    this.evaluate(value, 2);
    this.evaluate(expected, 0, [1, 3, 4, 5]);
    const [to, at] = this.#address(base, offset, 1, [3, 4, 5]);
    this.emit(form.atomic("compareExchange", width, to, at, 2));
  }

  /** Puts the value of r0 where it stays. */
  keep(home: Home, from: Register = 0): void {
    this.emit(
      home.kind === "slot" ? form.store(8, FRAME_POINTER, home.offset, { register: from }) : form.move(home.register, { register: from }),
    );
  }

  /** The value of an expression, where it stays. */
  assign(home: Home, expression: Expression): void {
    this.#checked(home);
    if (home.kind === "register" && !refersTo(expression, home)) {
      this.evaluate(expression, home.register, SCRATCH);
      return;
    }
    this.evaluate(expression, 0);
    this.keep(home);
  }

  /** Goes on at `label` if the test holds (or does not). */
  branch(test: Test, label: string, when: boolean): void {
    switch (test.kind) {
      case "not":
        this.branch(test.operand, label, !when);
        return;
      case "compare":
        this.#compare(test, label, when);
        return;
      case "and":
      case "or": {
        const decidesAlone = (test.kind === "or") === when;
        if (decidesAlone) {
          this.branch(test.left, label, when);
          this.branch(test.right, label, when);
          return;
        }
        const skip = this.newLabel("or");
        this.branch(test.left, skip, !when);
        this.branch(test.right, label, when);
        this.place(skip);
        return;
      }
      default:
        test satisfies never;
    }
  }

  #compare(test: Extract<Test, { kind: "compare" }>, label: string, when: boolean): void {
    const { comparison, left, right, bits } = test;
    const register = this.#inRegister(left, 0, [1, 2, 3, 4, 5]);
    const operand =
      right.kind === "constant" && fits32(right.value) ? Number(right.value) : { register: this.#inRegister(right, 1, [2, 3, 4, 5]) };
    if (when) {
      this.emit(form.jumpIf(comparison, register, operand, label, bits));
      return;
    }
    if (comparison !== "set") {
      this.emit(form.jumpIf(OPPOSITE[comparison], register, operand, label, bits));
      return;
    }
    const skip = this.newLabel("set");
    this.emit(form.jumpIf("set", register, operand, skip, bits));
    this.jump(label);
    this.place(skip);
  }
}

const fits32 = (value: bigint): boolean => value >= MIN_32 && value <= MAX_32;

/** Whether an expression needs no register but the one that it is evaluated into. */
function isSimple(expression: Expression): boolean {
  switch (expression.kind) {
    case "constant":
    case "home":
    case "frame":
      return true;
    case "load":
      return isSimple(expression.base);
    case "binary":
      return isSimple(expression.left) && expression.right.kind === "constant" && fits32(expression.right.value);
    default:
      return isSimple(expression.operand);
  }
}

function refersTo(expression: Expression, home: Home): boolean {
  switch (expression.kind) {
    case "home":
      return expression.home === home;
    case "constant":
    case "frame":
      return false;
    case "load":
      return refersTo(expression.base, home);
    case "binary":
      return refersTo(expression.left, home) || refersTo(expression.right, home);
    default:
      return refersTo(expression.operand, home);
  }
}
