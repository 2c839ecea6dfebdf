/** Evaluates one expression in both back ends, for tables of expressions and results. */
import { expect } from "vitest";
import { createEnvironment, type EnvironmentOptions } from "../src/cel/environment.ts";
import { createFrame } from "../src/cel/frame.ts";
import { CelError, type CelValue } from "../src/cel/value.ts";

export interface Evaluated {
  /** The value, or the code of the error. */
  readonly result: CelValue;
  readonly cost: number;
}

/** A function that evaluates in one environment. An error becomes its code, so that a row can name it; an expression that does not compile, the code of its first diagnostic. */
export function evaluatorOf(options: EnvironmentOptions, bindings: Readonly<Record<string, CelValue>> = {}): (text: string) => Evaluated {
  const environment = createEnvironment(options);
  return (text) => {
    const [source, closure] = (["source", "closure"] as const).map((backend) => {
      const compiled = environment.compile(text, { backend });
      if (!compiled.ok) return { result: compiled.error[0]?.code ?? "", cost: 0 };
      const frame = createFrame(bindings);
      const value = compiled.value.run(frame);
      return { result: value instanceof CelError ? value.code : value, cost: frame.cost };
    });
    expect(source).toEqual(closure);
    return source ?? { result: null, cost: 0 };
  };
}
