/**
 * Random expressions evaluate to what the two CEL libraries of npm make of them, where they support the feature and agree
 * with cel-go. The seed is fixed: their faults must not make this suite fail by chance.
 */
import { celEnv, isCelError, isCelList, parse, plan } from "@bufbuild/cel";
import { Environment as MarcEnvironment } from "@marcbachmann/cel-js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createEnvironment } from "../../src/cel/environment.ts";
import { createFrame } from "../../src/cel/frame.ts";
import { formatType } from "../../src/cel/type.ts";
import { CelError, type CelValue } from "../../src/cel/value.ts";
import { bindings, expressionOf, VARIABLES } from "./random-expression.ts";
import { typedValue } from "./typed-value.ts";

type Values = Readonly<Record<string, unknown>>;

interface Oracle {
  readonly name: string;
  /** Templates for which the library does not follow cel-go. */
  readonly without: readonly string[];
  /** The value, or undefined for an error. */
  readonly evaluate: (expression: string, values: Values) => unknown;
}

const bufbuild: Oracle = {
  name: "@bufbuild/cel",
  // It formats doubles as JavaScript does, negates without overflow, reads "" as 0, and takes a null entry for absent.
  without: ["string(D)", "-(I)", "int(S)", "has(o.a)", "has(o.a.b)", "o.obj.constructor"],
  evaluate: (expression, values) => {
    const value = plan(celEnv(), parse(expression))(values as never);
    return isCelError(value) ? undefined : value;
  },
};

const declareMarc = (): MarcEnvironment =>
  Object.entries(VARIABLES).reduce(
    (environment, [name, type]) => environment.registerVariable(name, formatType(type).replaceAll("(", "<").replaceAll(")", ">")),
    new MarcEnvironment(),
  );

const marcbachmann: Oracle = {
  name: "@marcbachmann/cel-js",
  // It negates, divides and converts doubles without overflow, reads "" as 0, and loses a key `__proto__`.
  without: ["string(D)", "-(I)", "int(S)", "int(D)", "(I / I)", "{S: I}", "o.obj.constructor"],
  evaluate: (expression, values) => {
    try {
      return declareMarc().parse(expression)(values);
    } catch {
      // It throws what is an error value here.
      return undefined;
    }
  },
};

/** Values for libraries whose ints are bigint and whose doubles are numbers. */
function withBigInts(value: CelValue): unknown {
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(withBigInts);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, withBigInts(entry)]));
}

/** What both sides can be compared by: scalars and lists of them; undefined for errors, `other` for everything else. */
function comparable(value: unknown): unknown {
  if (typeof value === "bigint") return { int: String(value) };
  if (typeof value === "number") return { double: value };
  if (Array.isArray(value)) return value.map(comparable);
  if (isCelList(value)) return [...value].map(comparable);
  return typeof value === "object" && value !== null ? "other" : value;
}

function ours(value: CelValue): unknown {
  if (value instanceof CelError) return undefined;
  const scalar = (typed: unknown): unknown => {
    if (Array.isArray(typed)) return typed.map(scalar);
    if (typeof typed !== "object" || typed === null || "int" in typed) return typed;
    return "double" in typed ? { double: Number(typed.double) } : "other";
  };
  return scalar(typedValue(value));
}

test.each([bufbuild, marcbachmann])("$name agrees", ({ evaluate, without }) => {
  const environment = createEnvironment({ variables: VARIABLES });
  const dialect = { hasOptionals: false, hasExtensions: false, hasDyn: true, without };
  fc.assert(
    fc.property(expressionOf(dialect), bindings, (expression, values) => {
      const compiled = environment.compile(expression);
      if (!compiled.ok) throw new Error(compiled.error[0]?.message);
      const expected = evaluate(expression, Object.fromEntries(Object.entries(values).map(([name, value]) => [name, withBigInts(value)])));
      expect(comparable(expected), expression).toEqual(ours(compiled.value.run(createFrame(values))));
    }),
    { numRuns: 1500, seed: 20261122 },
  );
});
