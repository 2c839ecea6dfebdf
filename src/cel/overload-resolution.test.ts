import { expect, test } from "vitest";
import type { Overload } from "./declaration.ts";
import type { FunctionSignatures } from "./declarations.ts";
import { describeCandidates, formatOperation, resolveOverloads } from "./overload-resolution.ts";
import { BOOL, type CelType, DOUBLE, DYN, formatType, INT, listType, mapType, STRING, typeParam, typeParametersOf } from "./type.ts";
import { Unification } from "./unification.ts";

const T = typeParam("T");

function declare(name: string, ...overloads: readonly Omit<Overload, "call">[]): FunctionSignatures {
  const signatures = overloads.map((overload) => ({
    overload: { ...overload, call: () => null },
    typeParameters: typeParametersOf([...overload.args, overload.result]),
  }));
  return { name, signatures };
}
const overload = (id: string, args: readonly CelType[], result: CelType, isMember = false): Omit<Overload, "call"> => ({
  id,
  args,
  result,
  isMember,
});

const add = declare(
  "_+_",
  overload("add_int", [INT, INT], INT),
  overload("add_double", [DOUBLE, DOUBLE], DOUBLE),
  overload("add_list", [listType(T), listType(T)], listType(T)),
);
const size = declare("size", overload("size_string", [STRING], INT), overload("string_size", [STRING], INT, true));

function resolve(declared: FunctionSignatures, args: readonly CelType[], isMember = false): string | undefined {
  const resolution = resolveOverloads(declared, args, isMember, new Unification());
  return resolution && `${resolution.overloads.map(({ id }) => id).join("|")} ${formatType(resolution.type)}`;
}

test("every overload that may take the arguments is kept, and results that differ make dyn", () => {
  expect(resolve(add, [INT, INT])).toBe("add_int int");
  expect(resolve(add, [DYN, INT])).toBe("add_int int");
  expect(resolve(add, [DYN, DYN])).toBe("add_int|add_double|add_list dyn");
  expect(resolve(add, [listType(INT), listType(DYN)])).toBe("add_list list(dyn)");
  expect(resolve(add, [INT, STRING])).toBeUndefined();
  expect(resolve(add, [INT])).toBeUndefined();
});

test("a receiver is not a first argument", () => {
  expect(resolve(size, [STRING])).toBe("size_string int");
  expect(resolve(size, [STRING], true)).toBe("string_size int");
});

test("a parameter has one type in a call, and another in the next", () => {
  const unification = new Unification();
  const types = [listType(INT), listType(STRING)].map((type) => resolveOverloads(add, [type, type], false, unification)?.type);
  expect(types).toEqual([listType(INT), listType(STRING)]);
  expect(resolve(add, [listType(INT), listType(STRING)])).toBeUndefined();
});

test("candidates are told nearest first, and not all of many", () => {
  const many = declare(
    "f",
    overload("1", [BOOL, BOOL], INT),
    overload("2", [INT], INT),
    overload("3", [STRING], INT, true),
    overload("4", [STRING], INT),
  );
  expect(describeCandidates(many, [STRING], false)).toBe("`f(string)`, `f(int)`, `string.f()` and 1 more");
  expect(describeCandidates(many, [STRING], true)).toBe("`string.f()`, `f(string)`, `f(int)` and 1 more");
  expect(describeCandidates(add, [INT, STRING], false)).toBe("`int + int`, `double + double`, `list(T) + list(T)`");
});

test.each([
  ["_+_", ["a", "b"], "a + b"],
  ["_==_", ["a", "b"], "a == b"],
  ["@in", ["a", "b"], "a in b"],
  ["_[_]", ["a", "b"], "a[b]"],
  ["_[?_]", ["a", "b"], "a[?b]"],
  ["_?_:_", ["a", "b", "c"], "a ? b : c"],
  ["!_", ["a"], "!a"],
  ["-_", ["a"], "-a"],
  ["size", ["a"], undefined],
])("%s of %j is written as %s", (name, operands, expected) => {
  expect(formatOperation(name, operands)).toBe(expected);
});

test("maps take part as any other type", () => {
  const index = declare("_[_]", overload("index_map", [mapType(typeParam("K"), T), typeParam("K")], T));
  expect(resolve(index, [mapType(STRING, listType(INT)), STRING])).toBe("index_map list(int)");
  expect(resolve(index, [mapType(STRING, INT), INT])).toBeUndefined();
});
