/**
 * An event on one line for people:
 *
 *     12:04:33.002  DENY   create Pod shop/debug  pod-security-restricted  runs as root (containers[0])  admission  41 µs
 */
import type { GapEvent, VigilEvent } from "./event.ts";
import type { FlowEvent } from "./runtime-event.ts";

/** The columns of the line, so that a terminal can align and colour them. The first is local time. */
export function compactColumns(event: VigilEvent): readonly string[] {
  const time = localTime(event.timeNs);
  switch (event.kind) {
    case "decision":
      return [
        time,
        event.verdict.toUpperCase() + (event.mode === "dry-run" ? " (dry run)" : ""),
        oneLine(`${event.action} ${event.object}`),
        oneLine(event.policy),
        oneLine(event.message),
        event.point,
        formatMicros(event.latencyUs),
      ];
    case "action":
      return [time, event.outcome.toUpperCase(), oneLine(`${event.action} ${event.object}`), event.producer, oneLine(event.message)];
    case "gap":
      return gapColumns(time, event);
    case "process":
      return [
        time,
        event.action.toUpperCase(),
        oneLine([event.object, ...event.args].join(" ")),
        oneLine(event.subject),
        outcome(event.result),
        `pid ${event.pid}`,
      ];
    case "file":
      return [
        time,
        event.action.toUpperCase(),
        oneLine(event.from === "" ? event.object : `${event.from} → ${event.object}`),
        oneLine(event.subject),
        oneLine(`${event.binary}${event.result === 0 ? "" : `: ${outcome(event.result)}`}`),
        `pid ${event.pid}`,
      ];
    case "network":
      return [
        time,
        event.action.toUpperCase(),
        oneLine(`${event.proto} ${event.object}`),
        oneLine(event.subject),
        oneLine(`${event.binary}${event.result === 0 ? "" : `: ${outcome(event.result)}`}`),
        `pid ${event.pid}`,
      ];
    case "flow":
      return [
        time,
        event.verdict.toUpperCase(),
        oneLine(flowText(event)),
        oneLine(event.rule === "" ? event.policy : `${event.policy}/${event.rule}`),
        oneLine([event.reason, flowAmount(event)].filter((part) => part !== "").join(", ")),
        event.layer,
        event.latencyUs === 0 ? "—" : formatMicros(event.latencyUs),
      ];
    case "finding":
      return [
        time,
        event.action.toUpperCase(),
        oneLine(event.object),
        oneLine(event.policy === event.rule ? event.policy : `${event.policy}: ${event.rule}`),
        oneLine(event.message),
        `pid ${event.pid}`,
        event.count === 1 ? "" : `${event.count} times`,
      ];
    default:
      return event satisfies never;
  }
}

/** `orders → payments:8443  POST /refund`: by names where there are any. */
export const flowText = ({ srcName, srcId, dstName, dstId, dstPort, request, proto }: FlowEvent): string =>
  `${shortName(srcName) || srcId} → ${shortName(dstName) || dstId}:${dstPort}  ${request || proto}`;

/** Without its namespace: the JSON has it. */
const shortName = (name: string): string => name.slice(name.indexOf("/") + 1);

const flowAmount = ({ bytesSent, bytesReceived, count }: FlowEvent): string =>
  [
    ...(bytesSent + bytesReceived === 0 ? [] : [`${bytesSent} B out, ${bytesReceived} B in`]),
    ...(count === 1 ? [] : [`${count} times`]),
  ].join(", ");

/** The kernel's number for what went wrong, when it did; people know them by the name in errno(1). */
const outcome = (result: number): string => (result < 0 ? `failed with errno ${-result}` : "");

export const compactLine = (event: VigilEvent): string => compactColumns(event).join("  ").trimEnd();

function localTime(timeNs: bigint): string {
  const date = new Date(Number(timeNs / 1_000_000n));
  const two = (n: number): string => String(n).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

function formatMicros(us: number): string {
  return us < 1000 ? `${us < 10 ? us.toFixed(1) : Math.round(us)} µs` : `${(us / 1000).toFixed(1)} ms`;
}

/** Text without control characters. */
// UNTRUSTED: objects and messages carry names from requests and processes. Control characters would let them forge lines or drive the terminal.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
export const oneLine = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ");

function gapColumns(time: string, { count, reason, producer, subject, fromSeq, toSeq }: GapEvent): readonly string[] {
  // These were left out on purpose, before they were numbered.
  if (reason === "rate_limited")
    return [time, "GAP", `${count} events not stored`, producer, `${subject}: more than are stored came at once`];
  if (reason === "repeated") return [time, "GAP", `${count} events not stored`, producer, `${subject}: like others that are stored`];
  return [time, "GAP", `${count} events lost`, producer, `${reason}, seq ${fromSeq} to ${toSeq}`];
}
