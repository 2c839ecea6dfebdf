/** Pointers that may be null: nothing can be done with one before `Code.ifNonNull` or `Code.orElse` has checked it. */
import type { Expression } from "./expression.ts";

interface Unchecked<P> {
  readonly expression: Expression;
  readonly pointerAt: (base: Expression) => P;
}

/** A `P` that may be null. */
export class Nullable<P> {
  readonly #unchecked: Unchecked<P>;

  constructor(expression: Expression, pointerAt: (base: Expression) => P) {
    this.#unchecked = { expression, pointerAt };
  }

  /** For those who check. */
  static unchecked<P>(nullable: Nullable<P>): Unchecked<P> {
    return nullable.#unchecked;
  }
}
