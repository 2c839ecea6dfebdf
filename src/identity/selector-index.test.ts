import fc from "fast-check";
import { expect, test } from "vitest";
import { SelectorIndex } from "./selector-index.ts";

interface Item {
  readonly id: string;
  readonly selectors: readonly string[];
}

const selectors = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e"), { minLength: 1 });
const items = fc.uniqueArray(fc.record({ id: fc.constantFrom("1", "2", "3", "4", "5", "6"), selectors }), { selector: ({ id }) => id });

test("finds exactly the entries all of whose selectors are given, also after some were removed", () => {
  fc.assert(
    fc.property(
      items,
      items,
      fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e", "f")),
      (kept: readonly Item[], gone: readonly Item[], given) => {
        const index = new SelectorIndex<Item>();
        const keptIds = new Set(kept.map(({ id }) => id));
        const passing = gone.filter(({ id }) => !keptIds.has(id));
        for (const item of [...passing, ...kept]) index.add(item);
        for (const item of passing) index.remove(item);
        const has: ReadonlySet<string> = new Set(given);
        const expected = kept.filter((item) => item.selectors.every((selector) => has.has(selector))).map(({ id }) => id);
        expect(
          index
            .match(has)
            .map(({ id }) => id)
            .sort(),
        ).toEqual(expected.sort());
      },
    ),
  );
});

test("takes no entry without selectors: it would match everybody", () => {
  expect(() => new SelectorIndex<Item>().add({ id: "1", selectors: [] })).toThrow(RangeError);
});
