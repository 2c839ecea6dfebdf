import type { Diagnostic } from "../lib/diagnostic.ts";
import { messageOf } from "../lib/error.ts";
import type { Result } from "../lib/result.ts";
import type { CheckedExpression } from "./checked-expression.ts";
import type { Frame } from "./frame.ts";
import type { Plan } from "./plan/op.ts";
import type { Program } from "./program.ts";
import type { SourceText } from "./source-text.ts";
import { CelError, type CelValue } from "./value.ts";

/** The way from a text to a function, in one environment and with one set of options. */
export interface Recipe {
  readonly check: (source: SourceText) => Result<CheckedExpression, readonly Diagnostic[]>;
  readonly plan: (checked: CheckedExpression) => Plan;
  readonly link: (plan: Plan) => (frame: Frame) => CelValue;
}

/**
 * A program that becomes code when it first runs, and keeps its text but not its tree from then on: thousands of programs
 * stay small, and the few trees that are asked for later (to explain a decision) are made again.
 */
export class CompiledProgram implements Program {
  readonly #recipe: Recipe;
  readonly #source: SourceText;
  #code: ((frame: Frame) => CelValue) | null = null;
  #checked: CheckedExpression | WeakRef<CheckedExpression> | null;

  constructor(recipe: Recipe, checked: CheckedExpression) {
    this.#recipe = recipe;
    this.#source = checked.source;
    this.#checked = checked;
  }

  run(frame: Frame): CelValue {
    const { locals } = frame;
    try {
      return (this.#code ?? this.#link())(frame);
    } catch (thrown) {
      // Nothing throws on purpose; a value too deep for the stack may, and must not end more than this evaluation.
      frame.locals = locals;
      return new CelError("CEL_INTERNAL", `evaluation failed: ${messageOf(thrown)}`, 0, this.#source.text.length);
    }
  }

  #link(): (frame: Frame) => CelValue {
    this.#code = this.#recipe.link(this.plan);
    this.#checked = null;
    return this.#code;
  }

  get checked(): CheckedExpression {
    const kept = this.#checked instanceof WeakRef ? this.#checked.deref() : this.#checked;
    if (kept !== undefined && kept !== null) return kept;
    const again = this.#recipe.check(this.#source);
    // INVARIANT: the same text was accepted by the same recipe before.
    if (!again.ok) throw new TypeError("an expression that compiled before is refused now");
    this.#checked = new WeakRef(again.value);
    return again.value;
  }

  get plan(): Plan {
    return this.#recipe.plan(this.checked);
  }
}
