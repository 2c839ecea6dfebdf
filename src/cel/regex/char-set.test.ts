import fc from "fast-check";
import { expect, test } from "vitest";
import { charClassesOf, classOf } from "./char-classes.ts";
import { ANY_CHAR, type CharSet, complementOf, contains, MAX_CODE_POINT, unionOf } from "./char-set.ts";
import { sequence } from "./pattern.ts";
import { compileProgram } from "./program.ts";

const codePoint = fc.oneof(fc.nat(40), fc.nat(MAX_CODE_POINT), fc.constant(MAX_CODE_POINT));
const ranges = fc
  .array(
    fc.tuple(codePoint, codePoint).map(([a, b]) => [Math.min(a, b), Math.max(a, b)]),
    { maxLength: 6 },
  )
  .map((pairs) => pairs.flat());

const isIn = (flat: readonly number[], member: number): boolean =>
  flat.some((low, i) => i % 2 === 0 && low <= member && member <= (flat[i + 1] ?? -1));

test("a union holds what any range holds, sorted and with gaps in between", () => {
  fc.assert(
    fc.property(ranges, codePoint, (flat, member) => {
      const union = unionOf(flat);
      expect(contains(union, member)).toBe(isIn(flat, member));
      for (let i = 1; i + 1 < union.length; i += 2) expect(union[i + 1]).toBeGreaterThan((union[i] ?? 0) + 1);
    }),
  );
});

test("a set and its complement share nothing and miss nothing", () => {
  fc.assert(
    fc.property(ranges, codePoint, (flat, member) => {
      const set = unionOf(flat);
      expect(contains(complementOf(set), member)).toBe(!contains(set, member));
      expect(complementOf(complementOf(set))).toEqual(set);
    }),
  );
  expect(complementOf([])).toEqual(ANY_CHAR);
});

test("code points are of one class exactly when no set tells them apart", () => {
  fc.assert(
    fc.property(fc.array(ranges.map(unionOf), { minLength: 1, maxLength: 5 }), codePoint, codePoint, (sets, a, b) => {
      const program = compileProgram(sequence(sets.map((set: CharSet) => ({ kind: "set", set }))), "anchored");
      const classes = charClassesOf(program);
      const areAlike = sets.every((set) => contains(set, a) === contains(set, b));
      expect(classOf(classes, a) === classOf(classes, b)).toBe(areAlike);
      if (a < 128) expect(classes.ascii[a]).toBe(classOf(classes, a));
      expect(classOf(classes, classes.representatives[classOf(classes, a)] ?? -1)).toBe(classOf(classes, a));
    }),
  );
});
