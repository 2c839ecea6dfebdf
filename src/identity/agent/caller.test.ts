import fc from "fast-check";
import { expect, test } from "vitest";
import { keyOfEntries } from "./caller.ts";

test("callers with other entries have another key, whatever the names of workloads have in them", () => {
  const ids = fc.array(fc.string({ unit: fc.constantFrom("a", "\n", '"', ",", "/"), maxLength: 4 }), { maxLength: 3 });
  fc.assert(
    fc.property(ids, ids, (one, other) => {
      const [left, right] = [one, other].map((list) => keyOfEntries(list.map((id) => ({ id }))));
      expect(left === right).toBe(one.length === other.length && one.every((id, index) => id === other[index]));
      expect(left).not.toContain("\n");
    }),
    { numRuns: 2000 },
  );
});
