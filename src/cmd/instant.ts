import { parseDuration } from "../lib/duration.ts";

const CLOCK = /^(?<hours>[01]?\d|2[0-3]):(?<minutes>[0-5]\d)(?::(?<seconds>[0-5]\d))?$/;
const DATE = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})?)?$/;

/**
 * Milliseconds since the epoch of a point in time as people write it: a duration before now (`15m`), a time of today (`14:30`), or a
 * date with or without a time (`2026-11-22`, `2026-11-22T14:30:00Z`), local where it names no zone. Undefined for anything else.
 */
export function parseInstant(text: string, nowMs: number): number | undefined {
  const ago = parseDuration(text);
  if (ago !== undefined) return nowMs - ago;
  const clock = CLOCK.exec(text)?.groups;
  if (clock !== undefined)
    return new Date(nowMs).setHours(Number(clock["hours"]), Number(clock["minutes"]), Number(clock["seconds"] ?? 0), 0);
  if (!DATE.test(text)) return undefined;
  // A date alone would be read as UTC.
  const instant = new Date(text.length === 10 ? `${text}T00:00` : text).getTime();
  return Number.isNaN(instant) ? undefined : instant;
}
