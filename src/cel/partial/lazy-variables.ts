/** Lazy variables of a policy (`variables.x`), each evaluated partially at most once. Programs do not refer to themselves. */
import type { Expr } from "../ast.ts";
import type { LazyScope, Program } from "../program.ts";
import { walk } from "../traversal.ts";
import { known, type Outcome, residual } from "./outcome.ts";
import type { Origin, ResidualBuilder } from "./residual-builder.ts";

export class LazyVariables {
  readonly #scope: LazyScope;
  readonly #builder: ResidualBuilder;
  readonly #specialize: (program: Program) => Outcome;
  /** In the order in which they were finished: what one refers to comes before it. */
  readonly #outcomes = new Map<string, Outcome>();

  constructor(scope: LazyScope | undefined, builder: ResidualBuilder, specialize: (program: Program) => Outcome) {
    this.#scope = scope ?? { variable: "", programs: new Map() };
    this.#builder = builder;
    this.#specialize = specialize;
  }

  /** Whether an attribute is a lazy variable, or all of them. */
  covers([root]: readonly string[]): boolean {
    return root === this.#scope.variable;
  }

  /** Whether the value of an attribute that it covers is not known. */
  isUnknown([, name]: readonly string[]): boolean {
    const { programs } = this.#scope;
    const names = name !== undefined && programs.has(name) ? [name] : [...programs.keys()];
    return names.some((each) => this.#outcomeOf(each)?.kind === "residual");
  }

  /** What an attribute that is a lazy variable or all of them comes to; null for everything else. */
  find(attribute: readonly string[], origin: Origin): Outcome | null {
    const [, name] = attribute;
    if (!this.covers(attribute) || attribute.length > 2) return null;
    if (name === undefined) return this.#wholeScope(origin);
    const outcome = this.#outcomeOf(name);
    return outcome?.kind === "residual" ? residual(this.#read(name, origin)) : outcome;
  }

  /** `has(variables.x)`, which does not evaluate the variable; null for other attributes. */
  has(attribute: readonly string[]): Outcome | null {
    const [, name] = attribute;
    return this.covers(attribute) && attribute.length === 2 && name !== undefined ? known(this.#scope.programs.has(name)) : null;
  }

  /** Binds the variables that `root` needs around it. */
  bindAround(root: Expr): Expr {
    let bound = root;
    for (const [name, outcome] of [...this.#outcomes].reverse()) {
      if (outcome.kind !== "residual" || !reads(bound, this.#nameOf(name))) continue;
      const origin = { start: root.start, end: root.end, type: this.#builder.typeOf(root) };
      bound = this.#builder.add({ kind: "bind", name: this.#nameOf(name), value: outcome.expr, body: bound }, origin);
    }
    return bound;
  }

  #outcomeOf(name: string): Outcome | null {
    const finished = this.#outcomes.get(name);
    if (finished !== undefined) return finished;
    const program = this.#scope.programs.get(name);
    if (program === undefined) return null;
    const outcome = this.#specialize(program);
    this.#outcomes.set(name, outcome);
    return outcome;
  }

  /** The name that a variable has in the residual: no other name begins like it. */
  #nameOf(name: string): string {
    return `@${this.#scope.variable}.${name}`;
  }

  #read(name: string, origin: Origin): Expr {
    return this.#builder.add({ kind: "ident", name: this.#nameOf(name) }, origin, { kind: "variable", name: this.#nameOf(name) });
  }

  /** All variables as a map; like the map of a program it is an error if one of them is. */
  #wholeScope(origin: Origin): Outcome {
    const entries = [...this.#scope.programs].map(([name, program]) => {
      const outcome = this.#outcomeOf(name);
      const at = { ...origin, type: program.checked.resultType };
      const value = outcome?.kind === "known" ? this.#builder.constant(outcome.value, at) : this.#read(name, at);
      return { key: this.#builder.constant(name, origin), value, optional: false };
    });
    return residual(this.#builder.add({ kind: "map", entries }, origin));
  }
}

function reads(root: Expr, name: string): boolean {
  let found = false;
  walk(root, (expr) => {
    found ||= expr.kind === "ident" && expr.name === name;
  });
  return found;
}
