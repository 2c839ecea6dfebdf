/** Events as JSON: time as RFC 3339, everything else as it is. One event is one line. */
import type { VigilEvent } from "./event.ts";
import { formatTimeNs } from "./timestamp.ts";

/** The event as a plain JSON object, `time` first among what a person looks for. */
export function eventToJson(event: VigilEvent): Readonly<Record<string, unknown>> {
  const { v, id, timeNs, ...rest } = event;
  return { v, id, time: formatTimeNs(timeNs), ...rest };
}

export const encodeEvent = (event: VigilEvent): string => JSON.stringify(eventToJson(event));
