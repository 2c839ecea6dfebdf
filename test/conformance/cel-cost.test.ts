/** Run-time costs are cel-go's (interpreter/runtimecost.go), with presence tests free as in Kubernetes, in both back ends. */
import { describe, expect, test } from "vitest";
import { createEnvironment } from "../../src/cel/environment.ts";
import { createFrame } from "../../src/cel/frame.ts";
import { bindingsLibrary, comprehensionsLibrary } from "../../src/cel/library/bindings.ts";
import { optionalsLibrary } from "../../src/cel/library/optionals.ts";
import { BOOL, BYTES, type CelType, DYN, INT, listType, mapType, STRING } from "../../src/cel/type.ts";
import { CelError, type CelValue } from "../../src/cel/value.ts";

const environment = createEnvironment({ libraries: [bindingsLibrary, comprehensionsLibrary, optionalsLibrary] });

type Variables = Readonly<Record<string, readonly [CelType, CelValue]>>;
interface Row {
  readonly expression: string;
  readonly cost: number;
  readonly variables?: Variables;
}

const text = "x".repeat(500);
const input = (type: CelType, value: CelValue): Variables => ({ input: [type, value] });
const object = input(DYN, { a: { b: 1 }, list: [1, 2, 3], name: "n".repeat(25) });
const bools: Variables = { a: [BOOL, false], b: [BOOL, false], c: [BOOL, true] };

const rows: readonly Row[] = [
  // Names, selections and indexes cost 1 each, constants nothing.
  { expression: "'Hello'", cost: 0 },
  { expression: "input", cost: 1, variables: input(listType(INT), [1, 2]) },
  { expression: "input['key']", cost: 2, variables: input(mapType(STRING, STRING), { key: "v" }) },
  { expression: "input['ke' + 'y']", cost: 3, variables: input(mapType(STRING, STRING), { key: "v" }) },
  { expression: "input[0]", cost: 2, variables: input(listType(STRING), ["v"]) },
  { expression: "input[3 - 3]", cost: 3, variables: input(listType(STRING), ["v"]) },
  { expression: "input.list[input.a.b]", cost: 5, variables: object },
  { expression: "input.a.b", cost: 3, variables: object },
  { expression: "has(input.a.b)", cost: 2, variables: object },
  { expression: "[1, 2][0]", cost: 12 },
  { expression: "{'a': {'b': 1}}.a.b", cost: 63 },
  { expression: "input.?a.?b.orValue(2)", cost: 3, variables: object },
  { expression: "input.?a.?b.hasValue()", cost: 4, variables: object },
  // Literals of lists and maps.
  { expression: "[1, 2, 3]", cost: 10 },
  { expression: "{'a': 1, 'b': 2, 'c': 3}", cost: 30 },
  { expression: "[{'k1': 1}, {'k2': 2}].all(x, true)", cost: 77 },
  // Operators on scalars cost 1, logic nothing.
  ...["1 < 2", "1 <= 2", "1 == 2", "2 > 1", "2 >= 1", "1 + 1", "1 - 1", "1 * 1", "1 / 1", "1 % 1", "-(1)", "!true", "size('123')"].map(
    (expression) => ({ expression, cost: 1 }),
  ),
  ...["false || false", "true || false", "true && false", "false && true", "true ? 1 : 2"].map((expression) => ({ expression, cost: 0 })),
  { expression: "a || b || c", cost: 3, variables: bools },
  { expression: "c || a || b", cost: 1, variables: bools },
  { expression: "a && b && c", cost: 1, variables: bools },
  { expression: "false ? false : 1 > 3", cost: 1 },
  { expression: "true ? false : 1 > 3", cost: 0 },
  { expression: "(1 > 2 ? 5 : 3) > 1", cost: 2 },
  { expression: "(1 > 2 || 2 > 1) == true", cost: 3 },
  // The branches of a conditional are not charged for being names.
  { expression: "c ? a : b", cost: 1, variables: bools },
  { expression: "input.size() > 0 ? input.a : input", cost: 4, variables: object },
  // Strings cost a tenth of what is read.
  { expression: "'12345678901234567890' == '123456789012345678901234567890'", cost: 2 },
  { expression: "input.name == 'short'", cost: 3, variables: object },
  { expression: "input.name == input.name", cost: 7, variables: object },
  { expression: "input.matches('[0-9]')", cost: 103, variables: input(STRING, text) },
  { expression: "'123'.matches('[0-9]')", cost: 2 },
  { expression: "string(input)", cost: 51, variables: input(BYTES, new Uint8Array(500)) },
  { expression: "bytes(input)", cost: 51, variables: input(STRING, text) },
  { expression: "string(1)", cost: 1 },
  { expression: "input.contains(input)", cost: 2502, variables: input(STRING, text) },
  { expression: "input.startsWith(input)", cost: 52, variables: input(STRING, text) },
  { expression: "input.endsWith('abc')", cost: 2, variables: input(STRING, "idc") },
  { expression: "input.size()", cost: 2, variables: input(STRING, "500") },
  { expression: "'abcdefg'.contains(a + b)", cost: 6, variables: { a: [STRING, "val1"], b: [STRING, "val2222222"] } },
  // Lists: membership reads all of it, joining is one step.
  { expression: "2 in [1, 2, 3]", cost: 13 },
  { expression: "2 in input", cost: 4, variables: input(listType(INT), [1, 2, 3]) },
  { expression: "'a' in input", cost: 2, variables: input(mapType(STRING, INT), { a: 1 }) },
  { expression: "(a + b).all(x, true)", cost: 4, variables: { a: [listType(INT), []], b: [listType(INT), []] } },
  // Macros, as the folds that they stand for.
  { expression: "input.all(x, true)", cost: 2, variables: input(listType(INT), []) },
  { expression: "[1, 2, 3].all(x, true)", cost: 20 },
  { expression: "[1, 2, 3, 4, 5].filter(x, x % 2 == 0)", cost: 62 },
  { expression: "[1, 2, 3, 4, 5].map(x, x)", cost: 86 },
  { expression: "[1, 2, 3, 4, 5].map(x, x).filter(x, x % 2 == 0)", cost: 138 },
  { expression: "[1, 2, 3, 4, 5].map(x, x).exists(x, x == 5) == true", cost: 118 },
  { expression: "[1, 2, 3, 4, 5].map(x, x).map(x, x)", cost: 162 },
  { expression: "[1, 2, 3, 4, 5].map(x, [x, x]).filter(z, z.size() == 2)", cost: 232 },
  { expression: "[1, 2, 3, 4, 5].map(x, [x, x]).all(y, y.all(y, y == 1))", cost: 171 },
  { expression: "[1, 2, 3, 4, 5].map(x, x).map(x, x) + [1]", cost: 173 },
  { expression: "[1, 2, 3].all(i, i in [1, 2, 3].map(j, j + j))", cost: 86 },
  { expression: "(x > 2 ? a : b).all(y, true)", cost: 6, variables: { x: [INT, 1], a: [listType(INT), [1]], b: [listType(INT), [1]] } },
  { expression: "input.all(k, input[k].f > 3)", cost: 9, variables: input(mapType(STRING, DYN), { val: { f: 1 } }) },
  { expression: "input.exists_one(x, x == 2)", cost: 11, variables: input(listType(INT), [1, 2, 3]) },
  { expression: "input.transformMap(i, x, x)", cost: 40, variables: input(listType(INT), [1, 2]) },
  { expression: "cel.bind(x, 1, x + x)", cost: 13 },
];

describe.each(["source", "closure"] as const)("in the %s back end", (backend) => {
  const run = ({ expression, variables = {} }: Row, limit: number): { readonly value: CelValue; readonly cost: number } => {
    const types = Object.fromEntries(Object.entries(variables).map(([name, [type]]) => [name, type]));
    const compiled = environment.extend({ variables: types }).compile(expression, { backend });
    if (!compiled.ok) throw new Error(compiled.error[0]?.message);
    const frame = createFrame(Object.fromEntries(Object.entries(variables).map(([name, [, value]]) => [name, value])), limit);
    return { value: compiled.value.run(frame), cost: frame.cost };
  };

  test.each(rows)("$expression costs $cost", (row) => {
    const { value, cost } = run(row, Number.POSITIVE_INFINITY);
    expect(value).not.toBeInstanceOf(CelError);
    expect(cost).toBe(row.cost);
  });

  test.each(rows.filter(({ cost }) => cost > 0))("$expression ends below its cost, and not at it", (row) => {
    expect(run(row, row.cost).value).not.toBeInstanceOf(CelError);
    expect(run(row, row.cost - 1).value).toMatchObject({ code: "CEL_COST_LIMIT" });
  });

  test.each([
    "true || input.all(x, input.all(y, input.all(z, true)))",
    "input.all(x, input.all(y, input.all(z, true))) || true",
    "input.map(x, input.map(y, input)).size() >= 0 ? 1 : 1",
    "cel.bind(a, 'ab', cel.bind(b, a + a + a + a, cel.bind(c, b + b + b + b, c + c + c + c))).size() > 0 || true",
  ])("the limit is no error that %s could absorb", (expression) => {
    const row: Row = {
      expression,
      cost: 0,
      variables: input(
        listType(INT),
        Array.from({ length: 30 }, (_, index) => index),
      ),
    };
    const { value } = run(row, 12);
    expect(value).toMatchObject(expression.startsWith("true") ? {} : { code: "CEL_COST_LIMIT" });
  });
});
