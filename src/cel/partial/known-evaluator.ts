/** Evaluates sub-expressions of which everything is known, exactly as a program would. */
import type { Expr } from "../ast.ts";
import type { CheckedExpression, Reference } from "../checked-expression.ts";
import { type Closure, compileClosure } from "../closure/compile.ts";
import type { Frame } from "../frame.ts";
import { type LoweringOptions, lower } from "../plan/lowering.ts";
import type { CelValue } from "../value.ts";

/** What all evaluations of one partial evaluation have in common. */
export interface KnownWorld {
  readonly lowering: LoweringOptions;
  readonly frame: Frame;
}

/** A name under which a local variable is bound in the frame: no variable of an expression is called so. */
const bindingOf = (name: string): string => `@local:${name}`;

export class KnownEvaluator {
  readonly #world: KnownWorld;
  readonly #checked: CheckedExpression;
  readonly #compiled = new Map<number, Closure>();
  /** The references of the expression, and those of identifiers that read locals from the frame. */
  readonly #references: Map<number, Reference>;
  readonly #localIds = new Map<string, number>();

  constructor(checked: CheckedExpression, world: KnownWorld) {
    this.#checked = checked;
    this.#world = world;
    this.#references = new Map(checked.references);
  }

  /** The value of `expr`, a part of the expression; `locals` are those of its free local variables. */
  evaluate(expr: Expr, locals: ReadonlyMap<string, CelValue>): CelValue {
    const run = this.#compiled.get(expr.id) ?? this.#compile(expr, [...locals.keys()]);
    this.#compiled.set(expr.id, run);
    const { frame } = this.#world;
    if (locals.size === 0) return run(frame);
    const bound = Object.fromEntries([...locals].map(([name, value]) => [bindingOf(name), value]));
    const inner: Frame = { ...frame, bindings: { ...frame.bindings, ...bound } };
    const value = run(inner);
    frame.cost = inner.cost;
    frame.memo = inner.memo;
    return value;
  }

  #compile(expr: Expr, names: readonly string[]): Closure {
    const { start, end } = expr;
    const root = names.reduce<Expr>((body, name) => {
      const id = this.#localId(name);
      return { kind: "bind", id, start, end, name, value: { kind: "ident", id, start, end, name }, body };
    }, expr);
    return compileClosure(lower({ ...this.#checked, root, references: this.#references }, this.#world.lowering));
  }

  #localId(name: string): number {
    const known = this.#localIds.get(name);
    if (known !== undefined) return known;
    const id = this.#checked.nodeCount + this.#localIds.size;
    this.#localIds.set(name, id);
    this.#references.set(id, { kind: "variable", name: bindingOf(name) });
    return id;
  }
}
