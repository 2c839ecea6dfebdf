import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { renderDiagnostic } from "../lib/diagnostic.ts";
import type { Expr } from "./ast.ts";
import { type CheckedExpression, checkExpression, type Reference } from "./checker.ts";
import type { Library } from "./declaration.ts";
import { Declarations } from "./declarations.ts";
import { bindingsLibrary, blocksLibrary, comprehensionsLibrary } from "./library/bindings.ts";
import { listsLibrary } from "./library/lists.ts";
import { mathLibrary } from "./library/math.ts";
import { optionalsLibrary } from "./library/optionals.ts";
import { parseExpression } from "./parser.ts";
import { sourceText } from "./source-text.ts";
import { standardLibrary } from "./standard/library.ts";
import { walk } from "./traversal.ts";
import {
  type CelType,
  DOUBLE,
  DYN,
  type FieldType,
  formatType,
  INT,
  listType,
  mapType,
  NULL,
  objectType,
  optionalType,
  STRING,
  type TypeProvider,
} from "./type.ts";
import { unparse } from "./unparse.ts";

const fields = new Map<string, ReadonlyMap<string, FieldType>>([
  ["Deployment", new Map([["spec", { type: objectType("Spec") }]])],
  [
    "Spec",
    new Map<string, FieldType>([
      ["replicas", { type: INT }],
      ["names", { type: listType(STRING) }],
      ["labels", { type: mapType(STRING, STRING) }],
    ]),
  ],
]);
const types: TypeProvider = {
  fieldsOf: (name) => fields.get(name),
  findType: (name) => (fields.has(name) ? objectType(name) : undefined),
};
const greet: Library = {
  name: "greet",
  functions: [
    { name: "greet.hello", overloads: [{ id: "greet_hello", args: [STRING], result: STRING, isMember: false, call: () => "" }] },
    { name: "greet.pair", overloads: [{ id: "greet_pair", args: [], result: NULL, isMember: false, call: () => null }] },
  ],
  constants: new Map([["greet.LIMIT", { type: INT, value: 7 }]]),
};
const variables: Readonly<Record<string, CelType>> = {
  object: objectType("Deployment"),
  any: DYN,
  i: INT,
  s: STRING,
  opt: optionalType(INT),
  strings: listType(STRING),
  scores: mapType(STRING, DOUBLE),
  wrapped: { kind: "wrapper", of: INT },
  "a.b": INT,
};
const scope = new Declarations({
  libraries: [standardLibrary, optionalsLibrary, bindingsLibrary, blocksLibrary, comprehensionsLibrary, mathLibrary, listsLibrary, greet],
  variables,
  types,
});

function check(text: string, declarations: Declarations = scope): CheckedExpression | readonly string[] {
  const parsed = parseExpression(sourceText(text), declarations);
  const checked = parsed.ok ? checkExpression(parsed.value, declarations) : parsed;
  return checked.ok ? checked.value : checked.error.map(({ code, column, length }) => `${code} ${column}+${length}`);
}

function typeOf(text: string): string {
  const checked = check(text);
  return "resultType" in checked ? formatType(checked.resultType) : checked.join();
}

test.each([
  ["1 + 2", "int"],
  ["any + 1", "int"],
  ["any + any", "dyn"],
  ["any == 1", "bool"],
  ["any.x.y[0].?z", "optional_type(dyn)"],
  ["[1, 2]", "list(int)"],
  ["[1, 'a']", "list(dyn)"],
  ["[]", "list(dyn)"],
  ["[] + [1]", "list(int)"],
  ["[[], [1]]", "list(list(int))"],
  ["[wrapped, 1]", "list(wrapper(int))"],
  ["[1, null]", "list(dyn)"],
  ["{'a': 1, 'b': 2}", "map(string, int)"],
  ["{'a': 1, 2: 2}", "map(dyn, int)"],
  ["{}", "map(dyn, dyn)"],
  ["{}.a", "dyn"],
  ["[?opt, 2]", "list(int)"],
  ["{?'a': opt}", "map(string, int)"],
  ["opt.orValue(3)", "int"],
  ["object.spec.replicas", "int"],
  ["object.?spec.replicas", "optional_type(int)"],
  ["object.spec.labels[?'a'].orValue('')", "string"],
  ["has(object.spec.replicas)", "bool"],
  ["Deployment{spec: Spec{replicas: 1, ?names: any}}", "Deployment"],
  ["Deployment{}.spec", "Spec"],
  ["true ? 1 : 2", "int"],
  ["true ? any : 2", "dyn"],
  ["wrapped == null ? 0 : wrapped + 1", "int"],
  ["int", "type(int)"],
  ["type(1) == int", "bool"],
  ["Deployment", "type(Deployment)"],
  ["strings.all(x, x == 'a')", "bool"],
  ["strings.existsOne(x, any)", "bool"],
  ["strings.filter(x, x != '')", "list(string)"],
  ["strings.map(x, size(x))", "list(int)"],
  ["strings.map(x, x != '', [x])", "list(list(string))"],
  ["scores.map(k, scores[k])", "list(double)"],
  ["scores.all(k, v, k != '' && v > 1.0)", "bool"],
  ["strings.transformList(index, x, x + string(index + 1))", "list(string)"],
  ["strings.transformMap(index, x, index > 0, x)", "map(int, string)"],
  ["scores.transformMapEntry(k, v, {v: k})", "map(double, string)"],
  ["any.map(x, x)", "list(dyn)"],
  ["any.transformMap(k, v, 1)", "map(dyn, int)"],
  ["[].map(x, x)", "list(dyn)"],
  ["cel.bind(x, 1, x + x)", "int"],
  ["math.greatest(1, 2)", "int"],
  ["math.least(1, 2.0, 3u)", "dyn"],
  ["strings.sortBy(x, size(x))", "list(string)"],
  ["opt.optMap(x, x + 1)", "optional_type(int)"],
  ["opt.optMap(x, string(x)).orValue('')", "string"],
  ["opt.optFlatMap(x, optional.of('a'))", "optional_type(string)"],
  ["any.optMap(x, x)", "optional_type(dyn)"],
  ["optional.none().optMap(x, x)", "optional_type(dyn)"],
  ["cel.block([1, cel.index(0) + 1], cel.index(1) + 1)", "int"],
  ["greet.hello('a')", "string"],
  ["greet.LIMIT + 1", "int"],
  ["a.b + 1", "int"],
  ["'a'.size() + size('a')", "int"],
  ["1 < 2.0 && 1u < 2", "bool"],
])("%s is of type %s", (text, expected) => {
  expect(typeOf(text)).toBe(expected);
});

/** What a text means that stands for a node of the tree. */
function referenceOf(text: string, part: string): Reference | undefined {
  const checked = check(text);
  if (!("references" in checked)) throw new Error(checked.join());
  let reference: Reference | undefined;
  walk(checked.root, (expr: Expr) => {
    if (unparse(expr) === part) reference ??= checked.references.get(expr.id);
  });
  return reference;
}

test.each([
  ["i + 1", "i", { kind: "variable", name: "i" }],
  [".i + 1", ".i", { kind: "variable", name: "i" }],
  ["a.b + 1", "a.b", { kind: "variable", name: "a.b" }],
  ["greet.LIMIT", "greet.LIMIT", { kind: "constant", name: "greet.LIMIT", value: 7 }],
  ["strings.map(i, i)", "i", { kind: "variable", name: "i" }],
  ["strings.map(i, .i)", ".i", { kind: "variable", name: ".i" }],
  ["strings.map(a, .a.b)", ".a.b", { kind: "variable", name: ".a.b" }],
  ["Spec{}", "Spec{}", { kind: "type", name: "Spec" }],
  ["greet.hello('a')", 'greet.hello("a")', { kind: "function", name: "greet.hello", overloads: [{ id: "greet_hello" }] }],
  ["s.startsWith('a')", 's.startsWith("a")', { kind: "overloads", overloads: [{ id: "starts_with_string" }] }],
  [".size(s)", ".size(s)", { kind: "function", name: "size", overloads: [{ id: "size_string" }] }],
  ["i + 1", "i + 1", { kind: "overloads", overloads: [{ id: "add_int64" }] }],
])("in %s, %s is a reference", (text, part, expected) => {
  expect(referenceOf(text, part)).toMatchObject(expected);
});

test("a selection of a field is no reference, and a comprehension's variable hides a dotted name", () => {
  expect(referenceOf("object.spec", "object.spec")).toBeUndefined();
  expect(referenceOf("any.map(a, a.b)", "a.b")).toBeUndefined();
});

test("every node has a type", () => {
  const checked = check("[[], [i]].map(x, x.map(y, {y: opt})).exists(z, z == [])");
  if (!("types" in checked)) throw new Error(checked.join());
  walk(checked.root, ({ id }) => {
    expect(formatType(checked.types[id] ?? DYN)).not.toContain("_var");
  });
});

describe("refusals", () => {
  test.each([
    ["nope", ["CEL_UNDECLARED 1+4"]],
    ["nope.field + other", ["CEL_UNDECLARED 1+4", "CEL_UNDECLARED 14+5"]],
    ["nope()", ["CEL_UNKNOWN_FUNCTION 1+4"]],
    ["s.nope()", ["CEL_UNKNOWN_FUNCTION 3+4"]],
    ["nope.nope(1)", ["CEL_UNKNOWN_FUNCTION 6+4"]],
    ["greet.nope()", ["CEL_UNKNOWN_FUNCTION 7+4"]],
    ["i + s", ["CEL_NO_MATCHING_OVERLOAD 3+1"]],
    ["i == s", ["CEL_NO_MATCHING_OVERLOAD 3+2"]],
    ["i == null", ["CEL_NO_MATCHING_OVERLOAD 3+2"]],
    ["s in i", ["CEL_NO_MATCHING_OVERLOAD 3+2"]],
    ["strings['a']", ["CEL_NO_MATCHING_OVERLOAD 8+1"]],
    ["i ? 1 : 2", ["CEL_NO_MATCHING_OVERLOAD 3+1"]],
    ["true ? 1 : 'a'", ["CEL_NO_MATCHING_OVERLOAD 6+1"]],
    ["i && true", ["CEL_NO_MATCHING_OVERLOAD 3+2"]],
    ["!i", ["CEL_NO_MATCHING_OVERLOAD 1+1"]],
    ["s.startsWith(1)", ["CEL_NO_MATCHING_OVERLOAD 3+10"]],
    ["startsWith(s, s)", ["CEL_NO_MATCHING_OVERLOAD 1+10"]],
    ["greet.hello(1)", ["CEL_NO_MATCHING_OVERLOAD 7+5"]],
    ["object.spec.nope", ["CEL_UNKNOWN_FIELD 13+4"]],
    ["object.spec.constructor", ["CEL_UNKNOWN_FIELD 13+11"]],
    ["has(object.nope)", ["CEL_UNKNOWN_FIELD 12+4"]],
    ["strings.size", ["CEL_NO_FIELDS 9+4"]],
    ["has(i.x)", ["CEL_NO_FIELDS 7+1"]],
    ["Nope{}", ["CEL_UNKNOWN_TYPE 1+4"]],
    ["int{}", ["CEL_NO_FIELDS 1+3"]],
    ["Spec{nope: 1}", ["CEL_UNKNOWN_FIELD 6+4"]],
    ["Spec{replicas: 'a'}", ["CEL_TYPE_MISMATCH 16+3"]],
    ["Spec{?replicas: 1}", ["CEL_TYPE_MISMATCH 17+1"]],
    ["[?1]", ["CEL_TYPE_MISMATCH 3+1"]],
    ["{?'a': 1}", ["CEL_TYPE_MISMATCH 8+1"]],
    ["{a: 1}", ["CEL_UNDECLARED 2+1"]],
    ["i.all(x, true)", ["CEL_NOT_ITERABLE 1+1"]],
    ["s.map(x, x)", ["CEL_NOT_ITERABLE 1+1"]],
    ["strings.all(x, x)", ["CEL_TYPE_MISMATCH 16+1"]],
    ["strings.existsOne(x, 1)", ["CEL_TYPE_MISMATCH 22+1"]],
    ["strings.filter(x, size(x))", ["CEL_TYPE_MISMATCH 19+7"]],
    ["strings.map(x, 1, x)", ["CEL_TYPE_MISMATCH 16+1"]],
    ["strings.transformMapEntry(k, v, k)", ["CEL_TYPE_MISMATCH 33+1"]],
    ["strings.map(x, x) == x", ["CEL_UNDECLARED 22+1"]],
    ["i.optMap(x, x)", ["CEL_TYPE_MISMATCH 1+1"]],
    ["opt.optFlatMap(x, x)", ["CEL_TYPE_MISMATCH 19+1"]],
    ["cel.block([cel.index(0)], 1)", ["CEL_UNDECLARED 12+12"]],
    ["s - nope", ["CEL_UNDECLARED 5+4"]],
  ])("%s", (text, expected) => {
    expect(check(text)).toEqual(expected);
  });

  test("a comparison across number types is refused where the environment says so", () => {
    expect(check("1 < 2.0", scope.extend({ crossTypeComparisons: false }))).toEqual(["CEL_NO_MATCHING_OVERLOAD 3+1"]);
  });
});

function hintOf(text: string): string | undefined {
  const parsed = parseExpression(sourceText(text), scope);
  const checked = parsed.ok ? checkExpression(parsed.value, scope) : parsed;
  return checked.ok ? undefined : checked.error[0]?.hint;
}

test.each([
  ["objct.spec", "did you mean `object`?"],
  ["strings.map(element, elemnt)", "did you mean `element`?"],
  ["object.spec.replicaz", "did you mean `replicas`?"],
  ["object.spec.zzzzzzzz", "its fields are `replicas`, `names`, `labels`"],
  ["s.startWith('a')", "did you mean `startsWith`?"],
  ["greet.helo('a')", "did you mean `greet.hello`?"],
  ["hello('a')", "did you mean `greet.hello`?"],
  ["all(strings, x)", "write `range.all(x, predicate)`"],
  ["strings.size", "did you mean `size()`?"],
  ["{a: 1}", 'write `"a"` for a key of that name'],
  ["any.labels.app-name", 'a field with a dash is written `["…-name"]`'],
  ["i + s", "expected `int + int`, `string + string`, `bytes + bytes` and 6 more"],
  ["s.startsWith(1)", "expected `string.startsWith(string)`"],
  ["startsWith(s, s)", "expected `string.startsWith(string)`"],
  ["i == s", "both sides must have one type: convert one, or wrap it in `dyn()`"],
])("%s is answered with: %s", (text, hint) => {
  expect(hintOf(text)).toBe(hint);
});

test("the function of a macro is named as it is written", () => {
  expect(hintOf("math.greatest(s, i)")).toContain("`math.greatest(int, int)`");
});

test("a diagnostic reads well", () => {
  const source = sourceText("any.a == 1 &&\n  object.spec.replicaz <= 5", "policies/limit.yaml");
  const parsed = parseExpression(source, scope);
  const checked = parsed.ok ? checkExpression(parsed.value, scope) : parsed;
  expect(checked.ok ? [] : checked.error.map(renderDiagnostic)).toEqual([
    "error: unknown field `replicaz` of `Spec`\n  policies/limit.yaml:2:15\n2 |   object.spec.replicaz <= 5\n  |               ^^^^^^^^ did you mean `replicas`?",
  ]);
});

test("deep and long expressions are checked without overflowing the stack", () => {
  expect(typeOf(`i${" + i".repeat(249)}`)).toBe("int");
  expect(typeOf(`true${" && i == 1".repeat(5000)}`)).toBe("bool");
  expect(typeOf(`${"[".repeat(249)}1${"]".repeat(249)}`)).toContain("list(list(");
});

const parts =
  "i s any object opt strings scores wrapped nope .spec .replicas .?labels .x ( ) [ ] [? { } , : ? + - * / == < in && || ! 1 2u 1.5 'a' null true has( .all(x, .map(y, .exists_one(z, .transformMap(k,v, .optMap(o, cel.bind(b, x y z k v o b Spec{ size( .orValue( .startsWith( greet. int".split(
    " ",
  );

test("any soup of tokens that parses is checked, or refused with a reason", () => {
  const soup = fc.array(fc.constantFrom(...parts), { maxLength: 25 }).map((tokens) => tokens.join(" "));
  fc.assert(
    fc.property(soup, (text) => {
      const checked = check(text);
      return "resultType" in checked || checked.length > 0;
    }),
    { numRuns: 5000 },
  );
});

test("an expression with one token changed is checked, or refused with a reason", () => {
  const seeds = [
    "object.spec.names.all(x, x.startsWith('a') || x in strings)",
    "strings.map(x, size(x) > 1, {x: scores[?x].orValue(1.5)})[0].size() + i",
    "opt.optMap(o, o + 1).orValue(2) < wrapped ? [1, i] : [] + [any]",
    "cel.bind(b, {'a': [1, 2]}, b.a.exists(y, y == b['a'][0]))",
  ];
  const mutation = fc.tuple(fc.constantFrom(...seeds), fc.nat(100), fc.nat(6), fc.constantFrom(...parts));
  fc.assert(
    fc.property(mutation, ([seed, at, length, part]) => {
      const checked = check(seed.slice(0, at % seed.length) + part + seed.slice((at % seed.length) + length));
      return "resultType" in checked || checked.length > 0;
    }),
    { numRuns: 5000 },
  );
});
