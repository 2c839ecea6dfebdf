import { expect, test } from "vitest";
import {
  type CelType,
  DYN,
  ERROR,
  formatType,
  INT,
  isLargerThan,
  listType,
  mapType,
  NULL,
  objectType,
  opaqueType,
  optionalType,
  STRING,
  sameType,
  TIMESTAMP,
  TYPE,
  typeParam,
  typeParametersOf,
} from "./type.ts";

const wrapper = (of: CelType): CelType => ({ kind: "wrapper", of });
const typeOf = (of: CelType): CelType => ({ kind: "type", of });

const shown: readonly (readonly [CelType, string])[] = [
  [INT, "int"],
  [NULL, "null"],
  [DYN, "dyn"],
  [ERROR, "!error!"],
  [TIMESTAMP, "timestamp"],
  [listType(INT), "list(int)"],
  [mapType(STRING, listType(DYN)), "map(string, list(dyn))"],
  [optionalType(INT), "optional_type(int)"],
  [opaqueType("ip"), "ip"],
  [opaqueType("pair", INT, STRING), "pair(int, string)"],
  [objectType("a.b.C"), "a.b.C"],
  [wrapper(INT), "wrapper(int)"],
  [TYPE, "type"],
  [typeOf(INT), "type(int)"],
  [typeParam("T"), "T"],
];

test.each(shown)("%j is written as %s", (type, expected) => {
  expect(formatType(type)).toBe(expected);
});

test("types are the same when they are written the same", () => {
  for (const [a, textA] of shown) {
    for (const [b, textB] of shown) expect(sameType(structuredClone(a), b)).toBe(textA === textB);
  }
});

test("type parameters are found at any depth, each once", () => {
  const types = [mapType(typeParam("K"), optionalType(typeParam("V"))), listType(typeParam("V")), typeOf(typeParam("T")), INT];
  expect(typeParametersOf(types)).toEqual(["K", "V", "T"]);
});

test.each([
  [INT, 1],
  [listType(INT), 2],
  [mapType(STRING, listType(INT)), 4],
  [optionalType(mapType(INT, INT)), 4],
] as const)("%j is made of %#, counted with itself", (type, size) => {
  expect([isLargerThan(type, size), isLargerThan(type, size - 1)]).toEqual([false, true]);
});

test("a type that shares its parts is measured in bounded time", () => {
  let type: CelType = INT;
  for (let i = 0; i < 100; i++) type = mapType(type, type);
  expect(isLargerThan(type, 1000)).toBe(true);
});
