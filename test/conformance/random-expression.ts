/** Random well-typed expressions over a few variables, with random values for them: for comparing back ends and engines. */
import fc from "fast-check";
import { BOOL, type CelType, DOUBLE, DYN, INT, listType, mapType, STRING } from "../../src/cel/type.ts";
import type { CelValue } from "../../src/cel/value.ts";

/** What the expressions may use beyond the standard language. */
export interface Dialect {
  readonly hasOptionals: boolean;
  /** Two-variable comprehensions and `cel.bind`. */
  readonly hasExtensions: boolean;
  /** Whether `dyn` values, such as the object `o`, occur. */
  readonly hasDyn: boolean;
  /** Templates that are left out. */
  readonly without?: readonly string[];
}

export const VARIABLES: Readonly<Record<string, CelType>> = {
  i: INT,
  j: INT,
  d: DOUBLE,
  s: STRING,
  t: STRING,
  b: BOOL,
  l: listType(INT),
  ls: listType(STRING),
  m: mapType(STRING, INT),
  o: DYN,
};

type Texts = fc.Arbitrary<string>;

const oneOf = (...texts: readonly string[]): Texts => fc.constantFrom(...texts);

const intLiteral: Texts = fc.oneof(
  fc.integer({ min: -3, max: 12 }).map(String),
  oneOf("9223372036854775807", "-9223372036854775808", "9007199254740993", "4611686018427387904"),
);
const stringLiteral: Texts = oneOf("''", "'a'", "'b'", "'ab'", "'ü€'", "'😀x'", "'a longer text than ten'", "'7'", "'k'");
const doubleLiteral: Texts = oneOf("0.0", "1.0", "-2.5", "3.0", "1e300");

/** Templates of one type: `I`, `S`, `B`, `D`, `L`, `M` and `O` stand for an expression of that type, `O` for dyn. */
const INT_FORMS = [
  "(I + I)",
  "(I - I)",
  "(I * I)",
  "(I / I)",
  "(I % I)",
  "-(I)",
  "size(S)",
  "L.size()",
  "L[I]",
  "m[S]",
  "(B ? I : I)",
  "int(S)",
  "int(D)",
  "size(M)",
];
const STRING_FORMS = ["(S + S)", "(B ? S : S)", "string(I)", "ls[I]", "string(B)", "string(D)"];
const BOOL_FORMS = [
  "(I < I)",
  "(I <= I)",
  "(I == I)",
  "(I != I)",
  "(S == S)",
  "(S < S)",
  "(S >= S)",
  "(D == D)",
  "(B && B)",
  "(B || B)",
  "!(B)",
  "(B ? B : B)",
  "(I in L)",
  "(S in M)",
  "(S in ['a', 'b', 'ab'])",
  "S.startsWith(S)",
  "S.endsWith(S)",
  "S.contains(S)",
  "S.matches('^[a-z]*$')",
  "(L == L)",
  "(M == M)",
  "L.all(x, x > I)",
  "L.exists(x, x == I)",
  "L.exists_one(x, x < I)",
  "M.all(k, k != S)",
  "L.all(x, L.exists(y, x == y))",
  "L.all(x, I / x > I)",
];
const DOUBLE_FORMS = ["(D + D)", "(D * D)", "(D / D)", "double(I)", "(B ? D : D)", "-(D)"];
const LIST_FORMS = ["[I, I]", "(L + L)", "L.filter(x, x > I)", "L.map(x, x + I)", "L.map(x, x > I, x * I)", "(B ? L : L)"];
const MAP_FORMS = ["{S: I}", "{'a': I, 'b': I}"];
const DYN_FORMS = ["o.n", "o.a.b", "o.list[I]", "o.missing", "o[S]", "o.deep.x.y", "dyn(I)", "dyn(S)", "(B ? O : O)", "o.obj.constructor"];
const BOOL_FROM_DYN = [
  "(O == O)",
  "(O == I)",
  "(O == S)",
  "(O < I)",
  "(O >= I)",
  "has(o.a)",
  "has(o.a.b)",
  "has(o.missing.b)",
  "has(o.n.b)",
  "(S in o)",
  "('a' in o.a)",
  "o.items.all(c, has(c.p) && c.p > I)",
  "o.items.exists(c, c.q == S || c.p == I)",
  "(type(O) == int)",
];
const INT_FROM_DYN = ["(O + I)", "(I - O)", "size(O)", "o.items.filter(c, c.p > I).size()"];
const BOOL_FROM_OPTIONALS = [
  "o.?a.hasValue()",
  "o.?a.?b.hasValue()",
  "L[?I].hasValue()",
  "(o.?n.orValue(I) == I)",
  "o.?deep.?x.orValue({}).?y.hasValue()",
];
const INT_FROM_OPTIONALS = [
  "m[?S].orValue(I)",
  "L[?I].or(optional.of(I)).value()",
  "L[?I].optMap(x, x + I).orValue(I)",
  "size([?L[?I], I])",
];
const INT_FROM_EXTENSIONS = ["cel.bind(z, I, z + z)", "L.transformList(n, x, n + x).size()"];
const BOOL_FROM_EXTENSIONS = ["L.all(n, x, n < x)", "M.exists(k, v, k == S && v > I)", "cel.bind(z, L, z == z)"];

/** Expressions of type bool, int, string and list, up to a depth. */
export function expressionOf({ hasOptionals, hasExtensions, hasDyn, without = [] }: Dialect): Texts {
  const forms = (...lists: readonly (readonly string[])[]): readonly string[] => lists.flat().filter((form) => !without.includes(form));
  const when = (condition: boolean, list: readonly string[]): readonly string[] => (condition ? list : []);
  const { B, I, S, L, O } = fc.letrec<Record<string, string>>((tie) => {
    /** A text with the letters of the template filled in. */
    const fill = (template: string): Texts => {
      const parts = template.split(/(?<![A-Za-z.])([ISBDLMO])(?![A-Za-z'])/);
      return fc.tuple(...parts.map((part, index) => (index % 2 === 1 ? tie(part) : fc.constant(part)))).map((filled) => filled.join(""));
    };
    const type = (leaves: Texts, templates: readonly string[]): Texts =>
      fc.oneof({ maxDepth: 4 }, { arbitrary: leaves, weight: 2 }, { arbitrary: fc.constantFrom(...templates).chain(fill), weight: 3 });
    return {
      I: type(
        fc.oneof(intLiteral, oneOf("i", "j")),
        forms(INT_FORMS, when(hasDyn, INT_FROM_DYN), when(hasOptionals, INT_FROM_OPTIONALS), when(hasExtensions, INT_FROM_EXTENSIONS)),
      ),
      S: type(fc.oneof(stringLiteral, oneOf("s", "t")), forms(STRING_FORMS)),
      B: type(
        oneOf("true", "false", "b"),
        forms(
          BOOL_FORMS,
          when(hasDyn, BOOL_FROM_DYN),
          when(hasOptionals && hasDyn, BOOL_FROM_OPTIONALS),
          when(hasExtensions, BOOL_FROM_EXTENSIONS),
        ),
      ),
      D: type(fc.oneof(doubleLiteral, oneOf("d")), forms(DOUBLE_FORMS)),
      L: type(oneOf("l", "[1, 2, 3]", "[i]"), forms(LIST_FORMS)),
      M: type(oneOf("m", "{'k': 1}"), forms(MAP_FORMS)),
      O: type(oneOf("o.n", "o.text", "o.none"), forms(DYN_FORMS)),
    };
  });
  const roots = [B, B, B, I, S, L, ...(hasDyn ? [O] : [])].filter((root) => root !== undefined);
  return fc.oneof(...roots);
}

const anyInt: fc.Arbitrary<CelValue> = fc.oneof(
  fc.integer({ min: -3, max: 12 }),
  fc.constantFrom<CelValue>(Number.MAX_SAFE_INTEGER, 9223372036854775807n, -9223372036854775808n),
);
const anyText: fc.Arbitrary<CelValue> = fc.constantFrom(
  "",
  "a",
  "b",
  "ab",
  "k",
  "7",
  "ü€",
  "😀x",
  "a longer text than ten",
  "constructor",
  "__proto__",
);
const anyScalar: fc.Arbitrary<CelValue> = fc.oneof(
  fc.integer({ min: -2, max: 9 }),
  anyText,
  fc.boolean(),
  fc.constant(null),
  fc.constant(2.5),
);

/** JSON that fits the fields that the expressions read, more or less. */
const anyObject: fc.Arbitrary<CelValue> = fc.record(
  {
    n: anyScalar,
    text: anyText,
    none: fc.constant(null),
    a: fc.oneof(anyScalar, fc.record({ b: anyScalar }, { requiredKeys: [] })),
    list: fc.array(anyScalar, { maxLength: 3 }),
    obj: fc.record({ constructor: fc.constant(1) }, { requiredKeys: [] }),
    deep: fc.record({ x: fc.oneof(anyScalar, fc.record({ y: anyScalar }, { requiredKeys: [] })) }, { requiredKeys: [] }),
    items: fc.array(fc.record({ p: fc.oneof(fc.integer({ min: -2, max: 9 }), anyText), q: anyText }, { requiredKeys: [] }), {
      maxLength: 3,
    }),
  },
  { requiredKeys: ["text", "items", "list"] },
);

/** Values for `VARIABLES`, and sometimes none for `j`. */
export const bindings: fc.Arbitrary<Readonly<Record<string, CelValue>>> = fc.record(
  {
    i: anyInt,
    j: anyInt,
    d: fc.constantFrom<CelValue>(0.5, -2.25, 1e-7),
    s: anyText,
    t: anyText,
    b: fc.boolean(),
    l: fc.array(fc.integer({ min: -2, max: 5 }), { maxLength: 4 }),
    ls: fc.array(anyText, { maxLength: 3 }),
    m: fc.dictionary(fc.constantFrom("a", "b", "k"), fc.integer({ min: 0, max: 5 })),
    o: anyObject,
  },
  { noNullPrototype: true },
);
