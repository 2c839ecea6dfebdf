import { ClosureCompiler } from "./closure/compile.ts";
import { CompiledProgram } from "./compiled-program.ts";
import { createFrame, type Frame, PER_CALL_LIMIT } from "./frame.ts";
import type { CallOp, ComprehensionOp, LogicalOp, Op, Plan } from "./plan/op.ts";
import type { Program } from "./program.ts";
import { elements, values } from "./runtime/operation.ts";
import { CelError, type CelValue } from "./value.ts";

/** A part of an expression and what it came to. */
export interface Evidence {
  /** As written; a variable of a macro is replaced by where its value comes from: `object.spec.containers[1].image`. */
  readonly expression: string;
  readonly value: CelValue;
}

const MAX_EVIDENCE = 20;
/** Elements of which an `exists` that found nothing shows the parts. */
const MAX_ELEMENTS = 5;

/**
 * The parts that made a boolean expression what it is, by evaluating it again: the term of a conjunction that is false, the
 * element for which `all` fails, the operands of the comparison that does not hold. At most 20, in source order; their values
 * are not shortened. Charges nothing to the frame; ends early when it costs more than `PER_CALL_LIMIT`.
 */
export function explain(program: Program, frame: Frame): readonly Evidence[] {
  if (!(program instanceof CompiledProgram)) return [];
  const evidence = new Map<string, CelValue>();
  const own = createFrame(frame.bindings, PER_CALL_LIMIT);
  own.memo = frame.memo;
  explainProgram(program, own, evidence);
  return [...evidence].slice(0, MAX_EVIDENCE).map(([expression, value]) => ({ expression, value }));
}

function explainProgram(program: CompiledProgram, frame: Frame, evidence: Map<string, CelValue>): void {
  const { plan, checked } = program;
  const outer = frame.locals;
  frame.locals = new Array<CelValue>(plan.slotCount).fill(null);
  new Explanation(plan, checked.source.text, frame, evidence).explain(plan.root.op);
  frame.locals = outer;
}

class Explanation {
  readonly compiler: ClosureCompiler;
  readonly text: string;
  readonly frame: Frame;
  readonly evidence: Map<string, CelValue>;
  /** Where the values of local variables come from. */
  readonly origins = new Map<number, string>();

  constructor(plan: Plan, text: string, frame: Frame, evidence: Map<string, CelValue>) {
    this.compiler = new ClosureCompiler(plan.isPresenceStrict);
    this.text = text;
    this.frame = frame;
    this.evidence = evidence;
  }

  evaluate(op: Op): CelValue {
    return this.compiler.compile(op)(this.frame);
  }

  /** Why a boolean operation is what it is. */
  explain(op: Op): void {
    if (this.evidence.size >= MAX_EVIDENCE || this.frame.cost > this.frame.costLimit) return;
    switch (op.kind) {
      case "logical":
        this.explainLogical(op);
        return;
      case "not":
        this.explain(op.operand);
        return;
      case "conditional": {
        this.explain(op.condition);
        const decision = this.evaluate(op.condition);
        if (typeof decision === "boolean") this.explain((decision ? op.whenTrue : op.whenFalse).op);
        return;
      }
      case "let":
        for (const { slot, value } of op.bindings) this.frame.locals[slot] = this.evaluate(value);
        this.explain(op.body);
        return;
      case "comprehension":
        this.explainComprehension(op);
        return;
      case "equal":
      case "compare":
      case "arithmetic":
        this.show(op.left);
        this.show(op.right);
        return;
      case "in":
        this.show(op.element);
        this.show(op.container);
        return;
      case "text":
        this.show(op.text);
        this.show(op.part);
        return;
      case "match":
        this.show(op.text);
        this.show(op.pattern);
        return;
      case "call":
        this.explainCall(op);
        return;
      default:
        this.show(op);
    }
  }

  explainLogical({ terms, isAnd }: LogicalOp): void {
    const outcomes = terms.map(({ op }) => ({ op, value: this.evaluate(op) }));
    const deciding = outcomes.find(({ value }) => value === !isAnd) ?? outcomes.find(({ value }) => value instanceof CelError);
    for (const { op } of deciding === undefined ? outcomes : [deciding]) this.explain(op);
  }

  explainCall({ args }: CallOp): void {
    for (const arg of args) {
      if (arg.kind === "call") this.explainCall(arg);
      else this.show(arg);
    }
  }

  /** The elements that decide: the first one that fails `all` or satisfies `exists`, otherwise some of them. */
  explainComprehension(op: ComprehensionOp): void {
    const { macro, range, slot1, slot2, body, start, end } = op;
    const over = this.evaluate(range);
    const keys = elements(over, start, end);
    if (keys instanceof CelError || (macro !== "all" && macro !== "exists")) {
      this.show(range);
      return;
    }
    const isList = Array.isArray(over);
    const seconds = values(over, keys);
    const origin = this.describe(range);
    const enter = (index: number): void => {
      const key = keys[index] ?? null;
      const place = isList ? `${origin}[${index}]` : `${origin}[${JSON.stringify(String(key))}]`;
      this.frame.locals[slot1] = isList && slot2 !== null ? index : key;
      if (slot2 !== null) this.frame.locals[slot2] = seconds[index] ?? null;
      if (isList || slot2 !== null) this.origins.set(slot2 ?? slot1, place);
    };
    const outcomes = keys.map((_, index) => {
      enter(index);
      return this.evaluate(body.op);
    });
    const decisive = outcomes.indexOf(macro !== "all");
    const failing = decisive === -1 ? outcomes.findIndex((value) => value instanceof CelError) : decisive;
    if (keys.length === 0) this.show(range);
    for (const index of failing === -1 ? keys.keys() : [failing]) {
      if (failing === -1 && index >= MAX_ELEMENTS) return;
      enter(index);
      this.explain(body.op);
    }
  }

  /** A part with its value. Constants explain nothing. */
  show(op: Op): void {
    if (op.kind === "constant") return;
    if (op.kind === "toDouble") {
      this.show(op.operand);
      return;
    }
    const value = this.evaluate(op);
    const isDecision = typeof value === "boolean" || value instanceof CelError;
    if (op.kind === "call" || op.kind === "arithmetic") this.explain(op);
    else this.evidence.set(this.describe(op), value);
    if (op.kind === "lazy" && isDecision && op.program instanceof CompiledProgram) explainProgram(op.program, this.frame, this.evidence);
  }

  /** The text of an operation, with the origin of the local variable that it begins with. */
  describe(op: Op): string {
    const { kind, start, end } = op;
    if (kind === "local") return this.origins.get(op.slot) ?? this.text.slice(start, end);
    if (kind === "index") return `${this.describe(op.container)}[${this.describeKey(op.key)}]`;
    if (kind === "has") return `has(${this.describe(op.operand)}.${op.key})`;
    if (kind === "path" && op.root.kind === "local") return `${this.describe(op.root)}${this.text.slice(op.root.end, end)}`;
    return this.text.slice(start, end);
  }

  /** A key as written; a variable that is a key of a map by its value. */
  describeKey(op: Op): string {
    const value = op.kind === "local" && !this.origins.has(op.slot) ? this.evaluate(op) : null;
    return typeof value === "string" ? JSON.stringify(value) : this.describe(op);
  }
}
