import { CelDuration, type CelError } from "../value.ts";
import { invalidArgument, overflow, quote } from "./failure.ts";
import { type Int, intOf } from "./int64.ts";

const MAX_SECONDS = 315_576_000_000;
const NANOS_PER_SECOND = 1_000_000_000;

/** A span of time; an error beyond ±10,000 years. `nanos` may have either sign and be out of range by one second. */
export function durationOf(seconds: number, nanos: number): CelDuration | CelError {
  const carry = Math.trunc(nanos / NANOS_PER_SECOND);
  let whole = seconds + carry;
  let rest = nanos - carry * NANOS_PER_SECOND;
  if (whole > 0 && rest < 0) {
    whole -= 1;
    rest += NANOS_PER_SECOND;
  } else if (whole < 0 && rest > 0) {
    whole += 1;
    rest -= NANOS_PER_SECOND;
  }
  return Math.abs(whole) > MAX_SECONDS || (Math.abs(whole) === MAX_SECONDS && rest !== 0)
    ? overflow("duration")
    : new CelDuration(whole + 0, rest + 0);
}

export const addDurations = (a: CelDuration, b: CelDuration): CelDuration | CelError =>
  durationOf(a.seconds + b.seconds, a.nanos + b.nanos);

export const subtractDurations = (a: CelDuration, b: CelDuration): CelDuration | CelError =>
  durationOf(a.seconds - b.seconds, a.nanos - b.nanos);

export const negateDuration = (a: CelDuration): CelDuration => new CelDuration(0 - a.seconds, 0 - a.nanos);

/** The span in nanoseconds; an error beyond int64, which is about 292 years. */
export const durationNanos = (span: CelDuration): Int | CelError => intOf(BigInt(span.seconds) * 1_000_000_000n + BigInt(span.nanos));

const UNIT_NANOS: Readonly<Record<string, bigint>> = {
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ns: 1n,
};

const PART = /(\d*)(?:\.(\d*))?(h|ms|m|s|us|µs|μs|ns)/y;
/** Longer than every duration within the range, and short enough for BigInt. */
const MAX_TEXT_LENGTH = 200;

/** Reads Go's notation: `1h30m`, `-1.5s`, `100ms`, `0`. Digits below a nanosecond are dropped. UNTRUSTED: any text gives a result. */
export function parseDuration(text: string): CelDuration | CelError {
  const malformed = (): CelError => invalidArgument(`expected a duration such as \`1h30m\`, got ${quote(text)}`);
  const start = text[0] === "-" || text[0] === "+" ? 1 : 0;
  if (text.slice(start) === "0") return new CelDuration(0, 0);
  if (text.length <= start || text.length > MAX_TEXT_LENGTH) return malformed();
  let nanos = 0n;
  for (let position = start; position < text.length; position = PART.lastIndex) {
    PART.lastIndex = position;
    const match = PART.exec(text);
    if (match === null) return malformed();
    const [, whole = "", fraction = "", unit = ""] = match;
    const scale = UNIT_NANOS[unit];
    if (scale === undefined || (whole === "" && fraction === "")) return malformed();
    nanos += BigInt(whole) * scale + (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length);
  }
  const signed = text[0] === "-" ? -nanos : nanos;
  return durationOf(Number(signed / 1_000_000_000n), Number(signed % 1_000_000_000n));
}

/** Decimal seconds with the unit: `3723s`, `-0.5s`. */
export function formatDuration(span: CelDuration): string {
  const sign = span.seconds < 0 || span.nanos < 0 ? "-" : "";
  const nanos = Math.abs(span.nanos);
  const fraction = nanos === 0 ? "" : `.${String(nanos).padStart(9, "0").replace(/0+$/, "")}`;
  return `${sign}${Math.abs(span.seconds)}${fraction}s`;
}
