import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createEnvironment } from "../environment.ts";
import { createFrame } from "../frame.ts";
import { extensionLibraries } from "../library/catalogue.ts";
import { lower } from "../plan/lowering.ts";
import { DYN } from "../type.ts";
import type { CelValue } from "../value.ts";
import { type GeneratedSource, generateSource } from "./generate.ts";

const environment = createEnvironment({ libraries: extensionLibraries, variables: { object: DYN } });

function generate(expression: string): GeneratedSource {
  const parsed = environment.parse(expression);
  const checked = parsed.ok ? environment.check(parsed.value) : parsed;
  if (!checked.ok) throw new Error(`${expression}: ${checked.error[0]?.message}`);
  return generateSource(lower(checked.value, { types: environment.declarations.types, isPresenceStrict: false }));
}

function evaluate(expression: string, object: CelValue): CelValue {
  const compiled = environment.compile(expression, { backend: "source" });
  if (!compiled.ok) throw new Error(`${expression}: ${compiled.error[0]?.message}`);
  return compiled.value.run(createFrame({ object }));
}

describe("generated source", () => {
  test("holds no literal of the expression: those are constants", () => {
    const { source, constants } = generate("object.a == 'evil' || object.b in ['evil', 'x'] || object.c.matches('ev.l') || object.n > 666");
    expect(source).not.toMatch(/evil|ev\.l|666/);
    expect(constants).toEqual(expect.arrayContaining(["evil", 666]));
  });

  test("is the same for expressions that differ only in literals and white space", () => {
    const first = generate("object.spec.replicas <= 5 && object.image.startsWith('a/')");
    const second = generate("object.spec.replicas   <= 70 &&\n object.image.startsWith('registry.example/')");
    expect(second.source).toBe(first.source);
    expect(second.positions).not.toEqual(first.positions);
  });

  test("computes a selection once where it surely ran before", () => {
    const { source } = generate("has(object.spec.a) && object.spec.a == 1 && object.spec.b == 2");
    expect(source.match(/\?\.spec/g)).toHaveLength(1);
    expect(source.match(/\?\.a\b/g)).toHaveLength(1);
  });

  test("does not rely on what only a branch computed", () => {
    const expression = "(object.n == 1 ? object.spec.a : 0) == 0 && object.spec.a == 3";
    expect(evaluate(expression, { n: 2, spec: { a: 3 } })).toBe(true);
  });

  test("gives NaN no order, be it a constant", () => {
    for (const expression of ["object < double('NaN')", "object >= double('NaN')", "double('NaN') < object"]) {
      expect(evaluate(expression, 1)).toMatchObject({ code: "CEL_INVALID_ARGUMENT" });
    }
  });

  test("takes as many terms as the text has room for", () => {
    const terms = Array.from({ length: 4500 }, (_, index) => `object.b${index}`);
    expect(evaluate(terms.join("||"), { b4499: true })).toBe(true);
  });

  test("takes any text as a literal, a key or a field", () => {
    const nasty = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom('"];process.exit(1)//', "`$" + "{1}`", "\u2028\u2029", "\\", "'\"", "*/", "</script>", "__proto__", "constructor"),
    );
    fc.assert(
      fc.property(nasty, (text) => {
        const literal = JSON.stringify(text.toWellFormed()).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
        const value = text.toWellFormed();
        const object: CelValue = JSON.parse(`{${JSON.stringify(value)}: ${JSON.stringify(value)}}`);
        expect(
          evaluate(`object[${literal}] == ${literal} && ${literal} in object && object.?x.orValue(${literal}) == ${literal}`, object),
        ).toBe(true);
        expect(evaluate(`{${literal}: 1}[${literal}] == 1 && size([${literal}]) == 1`, object)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("is one function expression whose free names are known", () => {
    for (const expression of [
      "object.a.b[0].c == 1",
      "object.items.map(x, x.n + 1).filter(y, y > 2)",
      "object.?a.optMap(v, v + 'x').orValue('')",
    ]) {
      const { source } = generate(expression);
      const names = new Set(source.replaceAll(/"(?:[^"\\]|\\.)*"/g, "").match(/(?<![.\w$])[A-Za-z_$][\w$]*/g));
      const generated = /^(?:[tvkl]\d+|p|f)$/;
      const language =
        /^(?:let|if|else|for|return|break|continue|typeof|instanceof|new|true|false|null|undefined|Array|Object|Number|Math|K)$/;
      expect([...names].filter((name) => !generated.test(name) && !language.test(name))).toEqual([]);
    }
  });
});
