import type { CelError, CelTimestamp } from "../value.ts";
import { invalidArgument, quote } from "./failure.ts";

const FIXED = /^([+-]?)(\d{1,2}):(\d\d)$/;
/** Bounds what UNTRUSTED zone names can occupy; there are about 450 zones, and a policy uses a few. */
const MAX_CACHED_ZONES = 64;
const formats = new Map<string, Intl.DateTimeFormat>();

/**
 * Seconds east of UTC at a point in time. A zone is an IANA name (`Europe/Vienna`, `UTC`, empty for UTC) or a fixed offset
 * with or without sign (`+02:00`, `-02:00`, `02:00`).
 */
export function zoneOffsetSeconds(zone: string, time: CelTimestamp): number | CelError {
  if (zone === "" || zone === "UTC") return 0;
  const fixed = FIXED.exec(zone);
  if (fixed !== null) return fixedOffset(zone, fixed[1] === "-" ? -1 : 1, Number(fixed[2]), Number(fixed[3]));
  const format = zone.includes(":") ? undefined : zoneFormat(zone);
  if (format === undefined) return invalidZone(zone);
  // Shown as "GMT", "GMT+02:00", or with seconds where a zone still had local mean time.
  const shown = format.formatToParts(time.seconds * 1000).find((part) => part.type === "timeZoneName")?.value ?? "";
  const offset = /([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(shown);
  if (offset === null) return 0;
  return (offset[1] === "-" ? -1 : 1) * (Number(offset[2]) * 3600 + Number(offset[3]) * 60 + Number(offset[4] ?? 0));
}

const fixedOffset = (zone: string, sign: number, hours: number, minutes: number): number | CelError =>
  hours > 23 || minutes > 59 ? invalidZone(zone) : sign * (hours * 3600 + minutes * 60);

const invalidZone = (zone: string): CelError =>
  invalidArgument(`expected a time zone such as \`Europe/Vienna\` or \`+02:00\`, got ${quote(zone)}`);

function zoneFormat(zone: string): Intl.DateTimeFormat | undefined {
  const cached = formats.get(zone);
  if (cached !== undefined) return cached;
  try {
    const format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
    if (formats.size >= MAX_CACHED_ZONES) formats.clear();
    formats.set(zone, format);
    return format;
  } catch {
    // Intl has no other way to say that it does not know a zone.
    return undefined;
  }
}
