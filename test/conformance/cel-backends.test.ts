/** The two back ends agree on random expressions: on the value, on the error with its position, and on the cost. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { createEnvironment } from "../../src/cel/environment.ts";
import { createFrame } from "../../src/cel/frame.ts";
import { bindingsLibrary, comprehensionsLibrary } from "../../src/cel/library/bindings.ts";
import { optionalsLibrary } from "../../src/cel/library/optionals.ts";
import { CelError, type CelValue } from "../../src/cel/value.ts";
import { bindings, expressionOf, VARIABLES } from "./random-expression.ts";
import { typedValue } from "./typed-value.ts";

const libraries = [optionalsLibrary, bindingsLibrary, comprehensionsLibrary];
const dialect = { hasOptionals: true, hasExtensions: true, hasDyn: true };

const outcome = (value: CelValue): unknown => (value instanceof CelError ? { ...value } : typedValue(value));

test.each([
  { isPresenceStrict: false, checked: true },
  { isPresenceStrict: true, checked: true },
  { isPresenceStrict: false, checked: false },
])("source and closures agree, with $isPresenceStrict presence and checked: $checked", ({ isPresenceStrict, checked }) => {
  const environment = createEnvironment({ libraries, variables: VARIABLES, isPresenceStrict });
  fc.assert(
    fc.property(expressionOf(dialect), bindings, (expression, values) => {
      const [source, closure] = (["source", "closure"] as const).map((backend) => {
        const compiled = environment.compile(expression, { backend, checked });
        if (!compiled.ok) throw new Error(`${expression}: ${compiled.error[0]?.message}`);
        const frame = createFrame(values, 100_000);
        return { outcome: outcome(compiled.value.run(frame)), cost: frame.cost };
      });
      expect(source, expression).toEqual(closure);
    }),
    { numRuns: 1500 },
  );
});
