/** Fields of timestamps, in UTC or in a time zone, and durations in whole units. */
import type { FunctionDeclaration, Overload } from "../declaration.ts";
import { declare, duration, method, string, timestamp } from "../library/define.ts";
import { durationNanos } from "../runtime/duration.ts";
import { divideInt, type Int } from "../runtime/int64.ts";
import { type WallClock, wallClock } from "../runtime/timestamp.ts";
import { zoneOffsetSeconds } from "../runtime/timezone.ts";
import { INT } from "../type.ts";
import { type CelDuration, CelError, type CelTimestamp, type CelValue } from "../value.ts";

function field(id: string, zonedId: string, read: (clock: WallClock) => number): readonly Overload[] {
  const inZone = (time: CelTimestamp, zone: string): CelValue => {
    const offset = zoneOffsetSeconds(zone, time);
    return offset instanceof CelError ? offset : read(wallClock(time, offset));
  };
  return [method(id, [timestamp], INT, (time) => read(wallClock(time, 0))), method(zonedId, [timestamp, string], INT, inZone)];
}

const timestampField = (id: string, read: (clock: WallClock) => number): readonly Overload[] =>
  field(`timestamp_to_${id}`, `timestamp_to_${id}_with_tz`, read);

const wholeUnits = (id: string, nanosPerUnit: Int): Overload =>
  method(`duration_to_${id}`, [duration], INT, (span: CelDuration) => {
    const nanos = durationNanos(span);
    return nanos instanceof CelError ? nanos : divideInt(nanos, nanosPerUnit);
  });

export const timeFunctions: readonly FunctionDeclaration[] = [
  declare("getFullYear", "The year.", ...timestampField("year", ({ year }) => year)),
  declare("getMonth", "The month, 0 for January.", ...timestampField("month", ({ month }) => month)),
  declare("getDayOfYear", "The day of the year, from 0.", ...timestampField("day_of_year", ({ dayOfYear }) => dayOfYear)),
  declare("getDayOfMonth", "The day of the month, from 0.", ...timestampField("day_of_month", ({ day }) => day - 1)),
  declare("getDate", "The day of the month, from 1.", ...timestampField("day_of_month_1_based", ({ day }) => day)),
  declare("getDayOfWeek", "The day of the week, 0 for Sunday.", ...timestampField("day_of_week", ({ dayOfWeek }) => dayOfWeek)),
  declare(
    "getHours",
    "The hour of a timestamp, or all hours of a duration.",
    ...timestampField("hours", ({ hour }) => hour),
    wholeUnits("hours", 3_600_000_000_000),
  ),
  declare(
    "getMinutes",
    "The minute of a timestamp, or all minutes of a duration.",
    ...timestampField("minutes", ({ minute }) => minute),
    wholeUnits("minutes", 60_000_000_000),
  ),
  declare(
    "getSeconds",
    "The second of a timestamp, or all seconds of a duration.",
    // The second id is cel-go's, which leaves the pattern here.
    ...field("timestamp_to_seconds", "timestamp_to_seconds_tz", ({ second }) => second),
    wholeUnits("seconds", 1_000_000_000),
  ),
  declare(
    "getMilliseconds",
    "The millisecond of a timestamp, or all milliseconds of a duration.",
    ...timestampField("milliseconds", ({ millisecond }) => millisecond),
    wholeUnits("milliseconds", 1_000_000),
  ),
];
