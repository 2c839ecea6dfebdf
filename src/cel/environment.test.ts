import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createEnvironment, type Environment } from "./environment.ts";
import { createFrame } from "./frame.ts";
import { bindingsLibrary } from "./library/bindings.ts";
import { optionalsLibrary } from "./library/optionals.ts";
import type { CompileOptions, Program } from "./program.ts";
import { BOOL, DOUBLE, DYN, INT, listType, objectType, STRING, type TypeProvider } from "./type.ts";
import { CelDouble, CelError, type CelValue } from "./value.ts";

const environment = createEnvironment({ libraries: [optionalsLibrary, bindingsLibrary], variables: { object: DYN } });

function compile(expression: string, options: CompileOptions = {}, of: Environment = environment): Program {
  const compiled = of.compile(expression, options);
  if (!compiled.ok) throw new Error(compiled.error[0]?.message);
  return compiled.value;
}

const refusal = (expression: string, options: CompileOptions = {}): string | undefined => {
  const compiled = environment.compile(expression, options);
  return compiled.ok ? undefined : compiled.error[0]?.code;
};

describe.each(["source", "closure"] as const)("a program of the %s back end", (backend) => {
  const run = (expression: string, bindings: Readonly<Record<string, CelValue>>, of: Environment = environment): CelValue =>
    compile(expression, { backend }, of).run(createFrame(bindings));

  test.each<readonly [expression: string, object: string, value: CelValue]>([
    ["has(object.__proto__)", "{}", false],
    ["has(object.constructor)", "{}", false],
    ["has(object.toString)", "{}", false],
    ["'__proto__' in object", "{}", false],
    ["object.?constructor.hasValue()", "{}", false],
    ["object.__proto__.polluted", '{"__proto__": {"polluted": 1}}', 1],
    ["object.constructor", '{"constructor": 2}', 2],
    ["object.a.b", '{"constructor": 1, "a": {"constructor": 1, "b": 3}}', 3],
    ["has(object.a.b)", '{"a": {"constructor": 1}}', false],
    ["object.?a.?b.hasValue()", '{"a": {"constructor": 1}}', false],
    ["'x' in object.list", '{"list": ["x"]}', true],
    ["'0' in object.list", '{"list": ["x"]}', false],
  ])("finds own properties only: %s of %s is %o", (expression, object, value) => {
    expect(run(expression, { object: JSON.parse(object) })).toBe(value);
  });

  test.each<readonly [expression: string, object: CelValue, code: string]>([
    ["object.constructor", {}, "CEL_NO_SUCH_KEY"],
    ["object.__proto__", {}, "CEL_NO_SUCH_KEY"],
    ["object.length", [1], "CEL_NO_SUCH_OVERLOAD"],
    ["object['0']", "text", "CEL_NO_SUCH_FIELD"],
    ["object.a.b", { a: null }, "CEL_NO_SUCH_FIELD"],
    ["object ? 1 : 2", "true", "CEL_NOT_BOOL"],
    ["object && true", 1, "CEL_NOT_BOOL"],
    ["!object", 1, "CEL_NOT_BOOL"],
    ["[1].exists_one(x, object)", 1, "CEL_NOT_BOOL"],
    ["object.map(x, x)", 3, "CEL_NO_SUCH_OVERLOAD"],
    ["object.value()", 3, "CEL_NO_SUCH_OVERLOAD"],
    ["optional.none().value()", 3, "CEL_NONE_DEREFERENCE"],
    ["object + 1", 1.5, "CEL_NO_SUCH_OVERLOAD"],
    ["object.size() > 1 && true", true, "CEL_NO_SUCH_OVERLOAD"],
    ["'a'.startsWith(object)", 1, "CEL_NO_SUCH_OVERLOAD"],
    ["'a'.matches(object)", "(", "CEL_INVALID_ARGUMENT"],
    ["'a'.matches('(')", null, "CEL_INVALID_ARGUMENT"],
    ["{object: 1, 'a': 2}", "a", "CEL_DUPLICATE_KEY"],
    ["[object, 1 / 0]", 1, "CEL_DIVIDE_BY_ZERO"],
  ])("%s of %o is the error %s", (expression, object, code) => {
    expect(run(expression, { object })).toMatchObject({ code });
  });

  test("an error says where it happened", () => {
    const expression = "1 == 2 || object.spec.missing.deeper > 3";
    const error = run(expression, { object: { spec: {} } });
    expect(error).toMatchObject({ code: "CEL_NO_SUCH_KEY" });
    expect(error instanceof CelError && expression.slice(error.start, error.end)).toBe("object.spec.missing");
  });

  test("a declared variable without a value is an error value", () => {
    expect(run("object.a", {})).toMatchObject({ code: "CEL_NO_SUCH_VARIABLE", start: 0, end: 6 });
    expect(run("true || object.a", {})).toBe(true);
  });

  test("an integral JSON number is a double where the declared type says so, and an int otherwise", () => {
    const types: TypeProvider = {
      fieldsOf: () => new Map([["ratio", { type: DOUBLE, jsonName: "the-ratio" }]]),
      findType: () => undefined,
    };
    const typed = createEnvironment({ types, variables: { r: objectType("R"), d: DOUBLE, l: listType(DOUBLE), object: DYN } });
    const bindings = { r: { "the-ratio": 3 }, d: 2, l: [1], object: 3 };
    expect(run("r.ratio / 2.0", bindings, typed)).toBe(1.5);
    expect(run("type(d) == double && type(l[0]) == double && l.all(x, type(x) == double)", bindings, typed)).toBe(true);
    expect(run("d", bindings, typed)).toEqual(new CelDouble(2));
    expect(run("object / 2", bindings, typed)).toBe(1);
  });

  test("cel.bind and optMap shadow what is outside", () => {
    expect(run("cel.bind(object, 1, cel.bind(object, object + 1, object) + object)", { object: 5 })).toBe(3);
    expect(run("optional.of(2).optMap(object, object * 10).orValue(0) + object", { object: 5 })).toBe(25);
  });

  test("orValue and ternaries evaluate only what they need", () => {
    expect(run("object.?a.orValue(1 / 0)", { object: { a: 7 } })).toBe(7);
    expect(run("object.?a.orValue(1 / 0)", { object: { a: null } })).toBe(null);
    expect(run("object.?a.orValue(1 / 0)", { object: {} })).toMatchObject({ code: "CEL_DIVIDE_BY_ZERO" });
    expect(run("object.a == 7 ? 1 : 1 / 0", { object: { a: 7 } })).toBe(1);
  });

  test("a value too deep for the stack ends the evaluation, nothing more", () => {
    const nested = (): CelValue => {
      let value: CelValue = [];
      for (let depth = 0; depth < 200_000; depth++) value = [value];
      return value;
    };
    const frame = createFrame({ object: [nested(), nested()] });
    expect(compile("[1].all(x, object[0] == object[1])", { backend }).run(frame)).toMatchObject({ code: "CEL_INTERNAL" });
    expect(compile("[1].all(x, x == 1)", { backend }).run(frame)).toBe(true);
  });
});

describe("compile", () => {
  test.each<readonly [expression: string, options: CompileOptions, code: string | undefined]>([
    ["1 +", {}, "CEL_SYNTAX"],
    ["missing", {}, "CEL_UNDECLARED"],
    ["1 + 'a'", {}, "CEL_NO_MATCHING_OVERLOAD"],
    ["1 + 'a'", { checked: false }, undefined],
    ["'a'", { resultType: BOOL }, "CEL_TYPE_MISMATCH"],
    ["object", { resultType: BOOL }, undefined],
    ["1 == 1", { resultType: BOOL }, undefined],
    ["[object]", { resultType: listType(STRING) }, undefined],
  ])("of %s with %j reports %s", (expression, options, code) => {
    expect(refusal(expression, options)).toBe(code);
  });

  test("without the checker, names and overloads are found at run time", () => {
    const run = (expression: string): CelValue => compile(expression, { checked: false }).run(createFrame({ object: 1, undeclared: 2 }));
    expect(run("undeclared + object")).toBe(3);
    expect(run("1 + 'a'")).toMatchObject({ code: "CEL_NO_SUCH_OVERLOAD" });
    expect(run("optional.of(1).value()")).toBe(1);
    expect(run("type(1) == int")).toBe(true);
    expect(run("nobody(1)")).toMatchObject({ code: "CEL_NO_SUCH_OVERLOAD" });
  });

  test("an extended environment has what its parent has", () => {
    const extended = environment.extend({ variables: { extra: INT } });
    expect(compile("object + extra", {}, extended).run(createFrame({ object: 1, extra: 2 }))).toBe(3);
    expect(environment.compile("extra").ok).toBe(false);
  });

  test("a program gives its checked tree before and after it ran", () => {
    const program = compile("object.a == 1");
    const { resultType } = program.checked;
    program.run(createFrame({ object: { a: 1 } }));
    expect(program.checked.resultType).toEqual(resultType);
    expect(program.checked.root).toEqual(compile("object.a == 1").checked.root);
  });
});

describe("lazy variables", () => {
  const scope = (...variables: readonly (readonly [string, string])[]): ReadonlyMap<string, Program> => {
    const programs = new Map<string, Program>();
    const of = environment.extend({ variables: { variables: DYN } });
    for (const [name, expression] of variables) programs.set(name, compile(expression, { lazy: { variable: "variables", programs } }, of));
    return programs;
  };
  const run = (
    expression: string,
    programs: ReadonlyMap<string, Program>,
    backend: "source" | "closure",
    frame = createFrame({ object: 2 }),
  ): CelValue =>
    compile(expression, { backend, lazy: { variable: "variables", programs } }, environment.extend({ variables: { variables: DYN } })).run(
      frame,
    );

  test.each(["source", "closure"] as const)("are evaluated when needed, once per frame, in the %s back end", (backend) => {
    const programs = scope(["twice", "object * 2"], ["more", "variables.twice + 1"], ["broken", "object.nothing"]);
    const frame = createFrame({ object: 2 });
    expect(run("variables.more + variables.twice + variables['twice']", programs, backend, frame)).toBe(13);
    const { cost } = frame;
    expect(run("variables.more == 5", programs, backend, frame)).toBe(true);
    expect(frame.cost - cost).toBe(3);
    expect(run("false && variables.broken", programs, backend)).toBe(false);
    expect(run("variables.broken", programs, backend)).toMatchObject({ code: "CEL_NO_SUCH_FIELD" });
    expect(run("has(variables.twice) && !has(variables.other)", programs, backend)).toBe(true);
    expect(run("[variables][0].twice", programs, backend)).toMatchObject({ code: "CEL_NO_SUCH_FIELD" });
    expect(run("variables.other", programs, backend)).toMatchObject({ code: expect.stringMatching(/^CEL_NO_SUCH/) });
  });

  test.each(["source", "closure"] as const)("passed on as a whole, they are a map, in the %s back end", (backend) => {
    const programs = scope(["a", "object"], ["b", "'x'"]);
    expect(run("[variables].map(v, v.a + size(v.b))", programs, backend)).toEqual([3]);
  });

  test("the cost limit inside a lazy variable ends the evaluation outside", () => {
    const programs = scope(["all", "[1, 2, 3].all(x, [1, 2, 3].all(y, true))"]);
    expect(run("true || variables.all", programs, "source", createFrame({ object: 2 }, 20))).toBe(true);
    expect(run("variables.all || true", programs, "source", createFrame({ object: 2 }, 20))).toMatchObject({ code: "CEL_COST_LIMIT" });
  });
});

test("closures take over where the runtime forbids code from strings", () => {
  const script = `
    import { createEnvironment } from ${JSON.stringify(join(import.meta.dirname, "environment.ts"))};
    import { createFrame } from ${JSON.stringify(join(import.meta.dirname, "frame.ts"))};
    const compiled = createEnvironment().compile("[1, 2, 3].filter(x, x > 1).size() == 2");
    console.log(compiled.ok && compiled.value.run(createFrame({})));
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ["--disallow-code-generation-from-strings", "--input-type=module", "-e", script]);
  expect(`${stdout}${stderr}`).toBe("true\n");
});
