import { expect, test } from "vitest";
import { ThresholdCounter } from "./threshold-counter.ts";

test("the n-th within the time is told, and each one after it", () => {
  const counter = new ThresholdCounter(100);
  const told = [0n, 5n, 11n, 14n, 15n, 40n].map((at) => counter.add("k", at, 3, 10n));
  expect(told).toEqual([false, false, false, true, true, false]);
  expect(counter.add("other", 15n, 3, 10n)).toBe(false);
});

test("however many keys and occurrences there are, memory is bounded", () => {
  const counter = new ThresholdCounter(1_000);
  for (let i = 0; i < 20_000; i++) counter.add(`k${i % 300}`, BigInt(i), 500, 1_000_000n);
  expect(counter.held).toBeLessThanOrEqual(1_000);
});
