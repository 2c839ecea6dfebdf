import { type CelDuration, CelError, CelTimestamp } from "../value.ts";
import { civilDate, daysOf, monthLength } from "./calendar.ts";
import { durationNanos, durationOf } from "./duration.ts";
import { invalidArgument, overflow, quote } from "./failure.ts";

const MIN_SECONDS = -62_135_596_800;
const MAX_SECONDS = 253_402_300_799;
const NANOS_PER_SECOND = 1_000_000_000;
const SECONDS_PER_DAY = 86_400;

/** A point in time; an error outside the years 1 to 9999. `nanos` may be out of its range by one second. */
export function timestampOf(seconds: number, nanos: number): CelTimestamp | CelError {
  const carry = Math.floor(nanos / NANOS_PER_SECOND);
  const whole = seconds + carry;
  return whole < MIN_SECONDS || whole > MAX_SECONDS ? overflow("timestamp") : new CelTimestamp(whole, nanos - carry * NANOS_PER_SECOND);
}

export const addDuration = (time: CelTimestamp, span: CelDuration): CelTimestamp | CelError =>
  timestampOf(time.seconds + span.seconds, time.nanos + span.nanos);

export const subtractDuration = (time: CelTimestamp, span: CelDuration): CelTimestamp | CelError =>
  timestampOf(time.seconds - span.seconds, time.nanos - span.nanos);

/** The span between two points in time; an error beyond int64 nanoseconds, about 292 years, as in cel-go. */
export function durationBetween(later: CelTimestamp, earlier: CelTimestamp): CelDuration | CelError {
  const span = durationOf(later.seconds - earlier.seconds, later.nanos - earlier.nanos);
  if (span instanceof CelError) return span;
  const nanos = durationNanos(span);
  return nanos instanceof CelError ? nanos : span;
}

const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,32}))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** Reads RFC 3339 with any number of fractional digits; those beyond nanoseconds are dropped. UNTRUSTED: any text gives a result. */
export function parseTimestamp(text: string): CelTimestamp | CelError {
  const match = RFC_3339.exec(text);
  if (match === null) return malformed(text);
  const part = (index: number): number => Number(match[index] ?? 0);
  const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)];
  const isDate = month >= 1 && month <= 12 && day >= 1 && day <= monthLength(year, month);
  if (!isDate || hour > 23 || minute > 59 || second > 59 || part(9) > 23 || part(10) > 59) return malformed(text);
  const offset = (part(9) * 60 + part(10)) * (match[8] === "-" ? -60 : 60);
  const seconds = daysOf({ year, month, day }) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset;
  return timestampOf(seconds, Number((match[7] ?? "").padEnd(9, "0").slice(0, 9)));
}

const malformed = (text: string): CelError => invalidArgument(`expected a timestamp as in RFC 3339, got ${quote(text)}`);

/** RFC 3339 in UTC, with as many fractional digits as it takes. */
export function formatTimestamp(time: CelTimestamp): string {
  const days = Math.floor(time.seconds / SECONDS_PER_DAY);
  const { year, month, day } = civilDate(days);
  const clock = time.seconds - days * SECONDS_PER_DAY;
  const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");
  const fraction = time.nanos === 0 ? "" : `.${String(time.nanos).padStart(9, "0").replace(/0+$/, "")}`;
  const date = `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`;
  return `${date}T${two(clock / 3600)}:${two((clock / 60) % 60)}:${two(clock % 60)}${fraction}Z`;
}

/** The fields of a point in time as a clock on the wall shows it, `offsetSeconds` east of UTC. */
export interface WallClock {
  readonly year: number;
  /** 0 to 11. */
  readonly month: number;
  /** 1 to 31. */
  readonly day: number;
  /** 0 (1 January) to 365. */
  readonly dayOfYear: number;
  /** 0 (Sunday) to 6. */
  readonly dayOfWeek: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly millisecond: number;
}

export function wallClock(time: CelTimestamp, offsetSeconds: number): WallClock {
  const local = time.seconds + offsetSeconds;
  const days = Math.floor(local / SECONDS_PER_DAY);
  const { year, month, day } = civilDate(days);
  const clock = local - days * SECONDS_PER_DAY;
  return {
    year,
    month: month - 1,
    day,
    dayOfYear: days - daysOf({ year, month: 1, day: 1 }),
    dayOfWeek: (((days + 4) % 7) + 7) % 7,
    hour: Math.floor(clock / 3600),
    minute: Math.floor(clock / 60) % 60,
    second: clock % 60,
    millisecond: Math.floor(time.nanos / 1_000_000),
  };
}
