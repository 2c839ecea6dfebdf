import { expect, test } from "vitest";
import type { Library } from "./declaration.ts";
import { Declarations } from "./declarations.ts";
import { BOOL, type CelType, INT, objectType, STRING, type TypeProvider } from "./type.ts";
import { CelTypeValue } from "./value.ts";

const overload = (id: string, args: readonly CelType[]): Library["functions"][number]["overloads"][number] => ({
  id,
  args,
  result: BOOL,
  isMember: false,
  call: () => true,
});
const library = (name: string, functionName: string, ...ids: readonly string[]): Library => ({
  name,
  functions: [{ name: functionName, overloads: ids.map((id) => overload(id, [STRING])) }],
  macros: [`${name}Macro`],
});
const types: TypeProvider = {
  fieldsOf: (name) => (name === "a.b.T" ? new Map([["f", { type: INT }]]) : undefined),
  findType: (name) => (name === "a.b.T" ? objectType(name) : undefined),
};

test("names are looked up in the container and outwards", () => {
  const declarations = new Declarations({
    container: "a.b",
    types,
    variables: { "a.b.x": INT, "a.x": STRING, x: BOOL, "a.y": INT, z: INT },
    libraries: [library("one", "a.f", "f")],
  });
  const nameOf = (name: string): string | undefined => declarations.findIdentifier(name)?.name;
  expect([nameOf("x"), nameOf("y"), nameOf("z"), nameOf(".x"), nameOf("b.x"), nameOf("w")]).toEqual([
    "a.b.x",
    "a.y",
    "z",
    "x",
    "a.b.x",
    undefined,
  ]);
  expect(declarations.findFunction("f")?.name).toBe("a.f");
  expect(declarations.findFunction(".f")).toBeUndefined();
  expect(declarations.findStructType("T")).toEqual({ name: "a.b.T", type: objectType("a.b.T") });
  expect(declarations.findIdentifier("T")).toEqual({
    name: "a.b.T",
    type: { kind: "type", of: objectType("a.b.T") },
    value: new CelTypeValue(objectType("a.b.T")),
  });
});

test("functions of one name from several libraries are one function; the last overload of an id counts", () => {
  const declarations = new Declarations({
    libraries: [library("one", "f", "f_string", "f_other"), library("two", "f", "f_other", "f_third")],
  });
  expect(declarations.findFunction("f")?.signatures.map(({ overload: { id } }) => id)).toEqual(["f_string", "f_other", "f_third"]);
  expect([...declarations.macros]).toEqual(["oneMacro", "twoMacro"]);
});

test("an extended environment has what is added, and leaves the first as it was", () => {
  const base = new Declarations({ libraries: [library("one", "f", "f_1")], variables: { x: INT }, container: "c" });
  const extended = base.extend({ libraries: [library("two", "g", "g_1")], variables: { y: STRING } });
  expect([extended.findIdentifier("x")?.type, extended.findIdentifier("y")?.type, extended.container]).toEqual([INT, STRING, "c"]);
  expect(extended.findFunction("f")).toBeDefined();
  expect([base.findIdentifier("y"), base.findFunction("g")]).toEqual([undefined, undefined]);
});

test("a library replaces an inherited one of its name", () => {
  const base = new Declarations({ libraries: [library("one", "f", "f_1")] });
  const extended = base.extend({ libraries: [library("one", "g", "g_1")] });
  expect([extended.findFunction("f"), extended.findFunction("g")?.name]).toEqual([undefined, "g"]);
});

test("constants have a value", () => {
  const constants = new Map([["math.pi", { type: INT, value: 3 }]]);
  const declarations = new Declarations({ libraries: [{ name: "math", functions: [], constants }] });
  expect(declarations.findIdentifier("math.pi")).toEqual({ name: "math.pi", type: INT, value: 3 });
  expect([declarations.isQualifier("math"), declarations.isQualifier("other")]).toEqual([true, true]);
});

test("a variable is no qualifier unless a dotted name begins with it", () => {
  const declarations = new Declarations({ variables: { object: INT, a: INT, "a.b": INT } });
  expect([declarations.isQualifier("object"), declarations.isQualifier("a")]).toEqual([false, true]);
});

test("comparisons across number types can be switched off", () => {
  const less: Library = {
    name: "less",
    functions: [{ name: "_<_", overloads: [overload("less_int64", [INT]), overload("less_int64_double", [INT])] }],
  };
  const idsOf = (declarations: Declarations): readonly string[] | undefined =>
    declarations.findFunction("_<_")?.signatures.map((signature) => signature.overload.id);
  const base = new Declarations({ libraries: [less] });
  expect(idsOf(base)).toEqual(["less_int64", "less_int64_double"]);
  expect(idsOf(base.extend({ crossTypeComparisons: false }))).toEqual(["less_int64"]);
  expect(idsOf(new Declarations({ libraries: [less], crossTypeComparisons: false }).extend({ variables: { x: INT } }))).toEqual([
    "less_int64",
  ]);
});
