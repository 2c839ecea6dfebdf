import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { latestRenewalMs, pauseMs, reconnectBackOff, renewalTimeMs } from "./renewal.ts";

const MINUTE_MS = 60_000;

describe("renewal", () => {
  test.each([
    ["an hour", 60, 30],
    ["a quarter of an hour", 15, 7.5],
    ["a day", 24 * 60, 12 * 60],
  ])("of %s begins at half", (_name, minutes, half) => {
    expect(renewalTimeMs({ notBeforeMs: 0, notAfterMs: minutes * MINUTE_MS }, 0)).toBe(half * MINUTE_MS);
  });

  test("begins when the authority wishes, but at the latest with min(20 %, 5 min) left", () => {
    const day = { notBeforeMs: 0, notAfterMs: 24 * 60 * MINUTE_MS };
    expect(renewalTimeMs(day, 0, 4 * 60 * MINUTE_MS)).toBe(4 * 60 * MINUTE_MS);
    expect(renewalTimeMs(day, 0, day.notAfterMs - MINUTE_MS)).toBe(day.notAfterMs - 5 * MINUTE_MS);
    expect(latestRenewalMs({ notBeforeMs: 0, notAfterMs: 10 * MINUTE_MS })).toBe(8 * MINUTE_MS);
  });

  test("always leaves time, and never begins before the lifetime does", () => {
    const times = fc.integer({ min: 0, max: 2 ** 42 });
    fc.assert(
      fc.property(
        times,
        fc.integer({ min: 1, max: 2 ** 32 }),
        fc.double({ min: 0, max: 0.999_999, noNaN: true }),
        fc.option(times),
        (notBeforeMs, ttlMs, random, wish) => {
          const lifetime = { notBeforeMs, notAfterMs: notBeforeMs + ttlMs };
          const atMs = renewalTimeMs(lifetime, random, wish ?? undefined);
          expect(atMs).toBeGreaterThanOrEqual(notBeforeMs);
          expect(atMs).toBeLessThanOrEqual(latestRenewalMs(lifetime));
        },
      ),
    );
  });
});

describe("pauses", () => {
  test("double from 1 s to 30 s, a quarter of them random", () => {
    const backOff = reconnectBackOff(undefined);
    expect([1, 2, 3, 4, 5, 6, 60].map((failures) => pauseMs(failures, 1, backOff))).toEqual([
      1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000,
    ]);
    expect(pauseMs(1, 0, backOff)).toBe(750);
  });

  test("are at most 5 % of the shortest lifetime", () => {
    expect(reconnectBackOff(10 * MINUTE_MS).maxMs).toBe(30_000);
    expect(reconnectBackOff(MINUTE_MS)).toEqual({ minMs: 1_000, maxMs: 3_000 });
    expect(reconnectBackOff(2_000)).toEqual({ minMs: 100, maxMs: 100 });
  });
});
