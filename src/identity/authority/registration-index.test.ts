import fc from "fast-check";
import { expect, test } from "vitest";
import { RegistrationIndex } from "./registration-index.ts";

test("the index finds what a look at all of them finds", () => {
  const selector = fc.integer({ min: 0, max: 8 }).map((n) => `s:${n}`);
  const entries = fc.array(fc.uniqueArray(selector, { minLength: 1, maxLength: 4 }), { maxLength: 40 });
  fc.assert(
    fc.property(entries, fc.uniqueArray(selector, { maxLength: 9 }), (lists, owned) => {
      const all = lists.map((selectors, index) => ({ id: String(index).padStart(3, "0"), selectors }));
      const has = new Set(owned);
      const expected = all.filter(({ selectors }) => selectors.every((wanted) => has.has(wanted))).map(({ id }) => id);
      expect(new RegistrationIndex(all).match(has).map(({ id }) => id)).toEqual(expected);
    }),
  );
});
