import fc from "fast-check";
import { expect, test } from "vitest";
import {
  BOOL,
  BYTES,
  type CelType,
  DOUBLE,
  DURATION,
  DYN,
  ERROR,
  formatType,
  INT,
  listType,
  mapType,
  NULL,
  objectType,
  opaqueType,
  optionalType,
  STRING,
  TIMESTAMP,
  TYPE,
  typeParam,
  UINT,
} from "./type.ts";
import { mayBeAssignable, mostGeneral, Unification } from "./unification.ts";

const wrapper = (of: CelType): CelType => ({ kind: "wrapper", of });
const T = typeParam("T");
const U = typeParam("U");

test.each<[CelType, CelType, boolean]>([
  [INT, INT, true],
  [INT, UINT, false],
  [INT, DYN, true],
  [DYN, STRING, true],
  [ERROR, listType(INT), true],
  [NULL, NULL, true],
  [NULL, INT, false],
  [NULL, wrapper(INT), true],
  [wrapper(INT), NULL, true],
  [NULL, objectType("a"), true],
  [NULL, TIMESTAMP, true],
  [NULL, DURATION, true],
  [NULL, optionalType(INT), true],
  [NULL, listType(INT), false],
  [wrapper(INT), INT, true],
  [INT, wrapper(INT), true],
  [wrapper(INT), wrapper(UINT), false],
  [objectType("a"), objectType("a"), true],
  [objectType("a"), objectType("b"), false],
  [listType(INT), listType(INT), true],
  [listType(DYN), listType(INT), true],
  [listType(INT), listType(STRING), false],
  [mapType(STRING, INT), mapType(STRING, DYN), true],
  [mapType(STRING, INT), mapType(INT, INT), false],
  [optionalType(INT), optionalType(DYN), true],
  [optionalType(INT), opaqueType("other", INT), false],
  [opaqueType("ip"), opaqueType("ip"), true],
  [opaqueType("p", INT), opaqueType("p", INT, INT), false],
  [TYPE, { kind: "type", of: INT }, true],
  [TYPE, STRING, false],
  [listType(INT), mapType(INT, INT), false],
])("%j to %j: %s", (from, to, expected) => {
  expect(new Unification().isAssignable(from, to)).toBe(expected);
});

test("a variable takes the type that it meets, and keeps it", () => {
  const unification = new Unification();
  expect(unification.isAssignable(listType(INT), listType(T))).toBe(true);
  expect(unification.resolve(mapType(T, T))).toEqual(mapType(INT, INT));
  expect(unification.isAssignable(STRING, T)).toBe(false);
  expect(unification.isAssignable(T, STRING)).toBe(false);
});

test("a variable becomes more general, never less", () => {
  const unification = new Unification();
  expect(unification.areAssignable([listType(INT), listType(DYN)], [T, T])).toBe(true);
  expect(unification.resolve(T)).toEqual(listType(DYN));
  expect(unification.isAssignable(listType(STRING), T)).toBe(true);
  expect(unification.resolve(T)).toEqual(listType(DYN));
});

test("a variable never stands for a type that contains it", () => {
  const unification = new Unification();
  expect(unification.isAssignable(listType(T), T)).toBe(false);
  expect(unification.isAssignable(T, U)).toBe(true);
  expect(unification.isAssignable(U, T)).toBe(true);
  expect(unification.isAssignable(mapType(STRING, T), U)).toBe(false);
});

test("a failed attempt leaves no trace", () => {
  const unification = new Unification();
  expect(unification.areAssignable([INT, STRING, BOOL], [T, U, INT])).toBe(false);
  expect([unification.resolve(T), unification.resolve(U)]).toEqual([T, U]);
  expect(unification.isAssignable(listType(BYTES), listType(T))).toBe(true);
  expect(unification.areAssignable([DYN, INT], [T, STRING])).toBe(false);
  expect(unification.resolve(T)).toEqual(BYTES);
});

test("what stands for nothing is dyn in the end", () => {
  const unification = new Unification();
  expect(unification.resolveFully(listType(unification.freshVariable()))).toEqual(listType(DYN));
});

test("an instantiated declaration has variables of its own, one for each parameter", () => {
  const unification = new Unification();
  const instantiate = unification.instantiator(["T", "U"]);
  const [list, map] = [instantiate(listType(T)), instantiate(mapType(T, U))];
  expect(unification.areAssignable([listType(INT), mapType(INT, STRING)], [list, map])).toBe(true);
  expect([unification.resolve(list), unification.resolve(map), unification.resolve(T)]).toEqual([listType(INT), mapType(INT, STRING), T]);
});

test.each<[CelType, CelType, CelType]>([
  [DYN, INT, DYN],
  [INT, DYN, DYN],
  [listType(INT), listType(DYN), listType(DYN)],
  [mapType(STRING, DYN), mapType(STRING, INT), mapType(STRING, DYN)],
  [wrapper(INT), INT, wrapper(INT)],
  [INT, wrapper(INT), INT],
  [optionalType(INT), optionalType(DYN), optionalType(DYN)],
  [
    { kind: "type", of: wrapper(INT) },
    { kind: "type", of: INT },
    { kind: "type", of: wrapper(INT) },
  ],
  [listType(wrapper(INT)), listType(INT), listType(wrapper(INT))],
])("the more general of %j and %j is %j", (first, second, expected) => {
  expect(mostGeneral(first, second)).toEqual(expected);
});

const anyType: fc.Arbitrary<CelType> = fc.letrec<{ type: CelType }>((tie) => ({
  type: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom<CelType>(
      DYN,
      ERROR,
      NULL,
      BOOL,
      INT,
      UINT,
      DOUBLE,
      STRING,
      BYTES,
      TIMESTAMP,
      DURATION,
      TYPE,
      objectType("a"),
      wrapper(INT),
    ),
    fc.constantFrom("T", "U", "V").map(typeParam),
    tie("type").map(listType),
    fc.tuple(tie("type"), tie("type")).map(([key, value]) => mapType(key, value)),
    tie("type").map(optionalType),
  ),
})).type;

test("any sequence of attempts ends, and what it binds can be resolved", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyType, anyType), { maxLength: 8 }), (pairs) => {
      const unification = new Unification();
      for (const [from, to] of pairs) {
        const before = ["T", "U", "V"].map((name) => formatType(unification.resolve(typeParam(name))));
        const fits = unification.isAssignable(from, to);
        if (fits) continue;
        expect(["T", "U", "V"].map((name) => formatType(unification.resolve(typeParam(name))))).toEqual(before);
      }
      for (const [from, to] of pairs) expect(formatType(unification.resolveFully(mapType(from, to)))).not.toMatch(/\b[TUV]\b/);
    }),
  );
});

test("the quick answer never contradicts the exact one", () => {
  fc.assert(
    fc.property(anyType, anyType, (from, to) => {
      if (!mayBeAssignable(from, to)) expect(new Unification().isAssignable(from, to)).toBe(false);
    }),
  );
});
