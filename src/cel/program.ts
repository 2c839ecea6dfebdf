import type { CheckedExpression } from "./checker.ts";
import type { Frame } from "./frame.ts";
import type { CelType } from "./type.ts";
import type { CelValue } from "./value.ts";

/** A compiled expression. Immutable; may be run any number of times, on any frame. */
export interface Program {
  readonly checked: CheckedExpression;
  /** The value of the expression, which may be a `CelError`. Adds what it cost to `frame.cost`. Never throws on an expected path. */
  run(frame: Frame): CelValue;
}

/**
 * Variables that are expressions themselves: `variables.x` evaluates the program `x` at most once per frame, when it is
 * first needed; its cost is charged once and its error is remembered too.
 */
export interface LazyScope {
  /** The name before the dot, such as `variables`. */
  readonly variable: string;
  readonly programs: ReadonlyMap<string, Program>;
}

export interface CompileOptions {
  /** `auto` takes JavaScript source where the runtime allows code from strings, closures otherwise. */
  readonly backend?: "source" | "closure" | "auto";
  /** The type that the expression must have; `dyn` fits every type. */
  readonly resultType?: CelType;
  /** False skips the type checker: names and overloads are then resolved while running. */
  readonly checked?: boolean;
  readonly lazy?: LazyScope;
}
