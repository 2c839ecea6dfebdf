import fc from "fast-check";
import { expect, test } from "vitest";
import { portPrefixes } from "./port-prefixes.ts";

const range = fc
  .tuple(fc.integer({ min: 0, max: 65_535 }), fc.integer({ min: 0, max: 65_535 }))
  .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

test("the prefixes of a range hold its ports, each once, and no other", () => {
  const property = fc.property(range, ([first, last]) => {
    const prefixes = portPrefixes(first, last);
    expect(prefixes.length).toBeLessThanOrEqual(30);
    let next = first;
    for (const { port, bits } of prefixes) {
      const size = 2 ** (16 - bits);
      expect([port, port % size]).toEqual([next, 0]);
      next = port + size;
    }
    expect(next).toBe(last + 1);
  });
  fc.assert(property);
});

test.each([
  [0, 65_535, "0/0"],
  [443, 443, "443/16"],
  [80, 90, "80/13 88/15 90/16"],
])("%i to %i is %s", (first, last, text) => {
  expect(
    portPrefixes(first, last)
      .map(({ port, bits }) => `${port}/${bits}`)
      .join(" "),
  ).toBe(text);
});
