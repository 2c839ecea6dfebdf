import type { Library } from "../../declaration.ts";
import { timestampOf, wallClock } from "../../runtime/timestamp.ts";
import { STRING, TIMESTAMP } from "../../type.ts";
import type { CelDuration, CelTimestamp, CelValue } from "../../value.ts";
import { declare, duration, func, timestamp, volatile } from "../define.ts";

const NANOS_PER_SECOND = 1_000_000_000n;
/** Seconds from the first moment of year 1, from which Go counts, to the epoch. */
const EPOCH_SECONDS = 62_135_596_800n;

const nanosOf = ({ seconds, nanos }: CelTimestamp | CelDuration): bigint => BigInt(seconds) * NANOS_PER_SECOND + BigInt(nanos);

/** Rounded down to a multiple of the span since year 1; as it is for a span that is not positive. */
function truncate(time: CelTimestamp, span: CelDuration): CelValue {
  const step = nanosOf(span);
  if (step <= 0n) return time;
  const truncated = nanosOf(time) - ((nanosOf(time) + EPOCH_SECONDS * NANOS_PER_SECOND) % step);
  const nanos = ((truncated % NANOS_PER_SECOND) + NANOS_PER_SECOND) % NANOS_PER_SECOND;
  return timestampOf(Number((truncated - nanos) / NANOS_PER_SECOND), Number(nanos));
}

function toCron(time: CelTimestamp): string {
  const { minute, hour, day, month, dayOfWeek } = wallClock(time, 0);
  return `${minute} ${hour} ${day} ${month + 1} ${dayOfWeek}`;
}

const timestampOfMs = (ms: number): CelValue => timestampOf(Math.floor(ms / 1000), Math.floor((ms % 1000) * 1_000_000));

/** Kyverno's time functions; `nowMs` gives milliseconds since the epoch. */
export const timeLibrary = (nowMs: () => number): Library => ({
  name: "kyverno.time",
  functions: [
    declare("time.now", "The time of the evaluation.", volatile(func("time_now", [], TIMESTAMP, () => timestampOfMs(nowMs())))),
    declare(
      "time.truncate",
      "The time rounded down to a multiple of a duration since year 1.",
      func("time_truncate", [timestamp, duration], TIMESTAMP, truncate),
    ),
    declare(
      "time.toCron",
      "The cron schedule of this minute, hour, day, month and weekday in UTC.",
      func("time_to_cron", [timestamp], STRING, toCron),
    ),
  ],
});
