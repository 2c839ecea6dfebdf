import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CelDuration, CelError, CelTimestamp } from "../value.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { addDuration, durationBetween, formatTimestamp, parseTimestamp, wallClock } from "./timestamp.ts";
import { zoneOffsetSeconds } from "./timezone.ts";

const timestamp: fc.Arbitrary<CelTimestamp> = fc
  .tuple(fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }), fc.integer({ min: 0, max: 999_999_999 }))
  .map(([seconds, nanos]) => new CelTimestamp(seconds, nanos));

describe("timestamps", () => {
  test("what is written is read back, for the whole range", () => {
    fc.assert(
      fc.property(timestamp, (time) => {
        expect(parseTimestamp(formatTimestamp(time))).toEqual(time);
      }),
    );
  });

  test("the calendar is that of Date", () => {
    fc.assert(
      fc.property(timestamp, (time) => {
        const date = new Date(time.seconds * 1000);
        const { year, month, day, dayOfWeek, hour, minute, second } = wallClock(time, 0);
        expect([year, month, day, dayOfWeek, hour, minute, second]).toEqual([
          date.getUTCFullYear(),
          date.getUTCMonth(),
          date.getUTCDate(),
          date.getUTCDay(),
          date.getUTCHours(),
          date.getUTCMinutes(),
          date.getUTCSeconds(),
        ]);
      }),
    );
  });

  test.each([
    ["1970-01-01T00:00:00Z", 0, 0],
    ["1969-12-31T23:59:59.5Z", -1, 500_000_000],
    ["2020-02-29T12:00:00+02:00", 1_582_970_400, 0],
    ["2020-01-01T00:00:00.1234567899Z", 1_577_836_800, 123_456_789],
  ])("reads %s", (text, seconds, nanos) => {
    expect(parseTimestamp(text)).toEqual(new CelTimestamp(seconds, nanos));
  });

  test.each([
    "",
    "2020-01-01",
    "2020-01-01t00:00:00z",
    "2021-02-29T00:00:00Z",
    "2020-13-01T00:00:00Z",
    "2020-01-01T24:00:00Z",
    "2020-01-01T00:00:60Z",
  ])("refuses %j", (text) => {
    expect(parseTimestamp(text)).toMatchObject({ code: "CEL_INVALID_ARGUMENT" });
  });

  test.each(["0000-12-31T23:59:59Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"])("%s is out of range", (text) => {
    expect(parseTimestamp(text)).toMatchObject({ code: "CEL_OVERFLOW" });
  });

  test("the span between two points leads from one to the other, when it fits into int64 nanoseconds", () => {
    fc.assert(
      fc.property(timestamp, timestamp, (a, b) => {
        const span = durationBetween(b, a);
        if (span instanceof CelError) expect(Math.abs(b.seconds - a.seconds)).toBeGreaterThan(9_223_372_035);
        else expect(addDuration(a, span)).toEqual(b);
      }),
    );
  });
});

describe("durations", () => {
  test.each([
    ["0", 0, 0],
    ["1h30m", 5400, 0],
    ["-1.5s", -1, -500_000_000],
    ["100ms", 0, 100_000_000],
    ["1us", 0, 1000],
    ["2µs", 0, 2000],
    ["+1h-", undefined, undefined],
    [".5s", 0, 500_000_000],
    ["1.s", 1, 0],
    ["1s1s", 2, 0],
    ["315576000000s", 315_576_000_000, 0],
  ])("%s is read", (text, seconds, nanos) => {
    if (seconds === undefined) expect(parseDuration(text)).toMatchObject({ code: "CEL_INVALID_ARGUMENT" });
    else expect(parseDuration(text)).toEqual(new CelDuration(seconds, nanos ?? 0));
  });

  test.each(["", "-", "1", "s", ".s", "1 s", "1d", "1h ", "--1s", `${"1".repeat(300)}s`])("%j is refused", (text) => {
    expect(parseDuration(text)).toMatchObject({ code: "CEL_INVALID_ARGUMENT" });
  });

  test("a duration is at most 10,000 years", () => {
    expect(parseDuration("315576000001s")).toMatchObject({ code: "CEL_OVERFLOW" });
    expect(parseDuration("-315576000000.000000001s")).toMatchObject({ code: "CEL_OVERFLOW" });
  });

  test("what is written is read back", () => {
    const duration = fc
      .tuple(fc.integer({ min: 0, max: 315_575_999_999 }), fc.integer({ min: 0, max: 999_999_999 }), fc.constantFrom(1, -1))
      .map(([seconds, nanos, sign]) => new CelDuration(sign * seconds + 0, sign * nanos + 0));
    fc.assert(
      fc.property(duration, (span) => {
        expect(parseDuration(formatDuration(span))).toEqual(span);
      }),
    );
  });
});

describe("time zones", () => {
  const summer = new CelTimestamp(1_593_561_600, 0);
  const winter = new CelTimestamp(1_577_836_800, 0);

  test.each([
    ["", 0, 0],
    ["UTC", 0, 0],
    ["Europe/Vienna", 3600, 7200],
    ["America/St_Johns", -12_600, -9000],
    ["+02:00", 7200, 7200],
    ["02:00", 7200, 7200],
    ["-02:30", -9000, -9000],
    ["-00:30", -1800, -1800],
  ])("%j is %i s east in winter and %i s in summer", (zone, inWinter, inSummer) => {
    expect(zoneOffsetSeconds(zone, winter)).toBe(inWinter);
    expect(zoneOffsetSeconds(zone, summer)).toBe(inSummer);
  });

  test("local mean time, before zones, counts seconds", () => {
    expect(zoneOffsetSeconds("America/Los_Angeles", new CelTimestamp(-3_000_000_000, 0))).toBe(-28_378);
  });

  test.each(["Nowhere/City", "+2", "25:00", "+02:60", "::", "+02:00:00"])("%j is no zone", (zone) => {
    expect(zoneOffsetSeconds(zone, summer)).toMatchObject({ code: "CEL_INVALID_ARGUMENT" });
  });
});
