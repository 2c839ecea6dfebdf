/** `vigil events why`: one event, with everything that decided or was seen. */
import { flowText, oneLine as printable } from "../../event/compact-line.ts";
import type { DecisionEvent, VigilEvent } from "../../event/event.ts";
import { SEVERITY_NAMES } from "../../event/event-stamp.ts";
import type { FileEvent, FindingEvent, FlowEvent, NetworkEvent, ProcessEvent } from "../../event/runtime-event.ts";
import { eventToJson } from "../../event/wire.ts";
import { readEvent, readEvents } from "../../evidence/event-reader.ts";
import { formatDuration } from "../../lib/duration.ts";
import { EXIT, type ExitCode, type Invocation } from "../command.ts";
import { noteError } from "../notes.ts";
import { alignColumns } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { shortId } from "./list.ts";
import { findEventStore } from "./store.ts";

export interface WhyOptions {
  readonly format: "text" | "json";
  readonly state: string | undefined;
  readonly config: string | undefined;
}

export function explainEvent(invocation: Invocation, id: string, options: WhyOptions): ExitCode {
  const { terminal } = invocation;
  const directory = findEventStore(invocation, options);
  if (directory === undefined) return EXIT.unable;
  const found = findEvents(directory, id);
  const [event] = found;
  if (event === undefined || found.length > 1) {
    const what = event === undefined ? `no event \`${id}\`` : `${found.length} events end in \`${id}\``;
    noteError(terminal, what, event === undefined ? "`vigil events` shows them" : `such as ${event.id}`);
    return EXIT.unable;
  }
  if (options.format === "json") terminal.printJson(eventToJson(event));
  else terminal.print(explain(event, terminal).join("\n"));
  return EXIT.yes;
}

/** How far back the last characters of an id are looked for. */
const SEARCHED = 100_000;

function findEvents(directory: string, id: string): readonly VigilEvent[] {
  if (id === "last") return readEvents(directory, { verdict: "deny" }, 1);
  const event = readEvent(directory, id);
  if (event !== undefined) return [event];
  return id.length < shortId(id).length ? [] : readEvents(directory, {}, SEARCHED).filter((candidate) => candidate.id.endsWith(id));
}

function explain(event: VigilEvent, terminal: Terminal): readonly string[] {
  const about = event.kind === "decision" ? aboutDecision(event, terminal) : aboutOther(event, terminal);
  const facts = [...about.facts, ["when", localTime(event)], ["from", `${event.producer} on ${event.node}`], ["event", event.id]];
  const rows = facts.filter(([, value]) => value !== "").map(([name = "", value = ""]) => [`  ${terminal.style("dim", name)}`, value]);
  return [terminal.style("bold", about.title), ...alignColumns(rows, Number.POSITIVE_INFINITY), ...about.more];
}

/** With the day, to the millisecond; the JSON has the nanoseconds, in UTC. */
function localTime({ timeNs }: VigilEvent): string {
  const date = new Date(Number(timeNs / 1_000_000n));
  return `${date.toLocaleString("sv-SE")}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

interface About {
  readonly title: string;
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly more: readonly string[];
}

function aboutDecision(event: DecisionEvent, terminal: Terminal): About {
  const mode = event.mode === "dry-run" ? " (dry run)" : "";
  const values = event.evidence.map(({ expression, value }) => [`    ${expression}`, `= ${value}`]);
  return {
    title: `${event.verdict.toUpperCase()}${mode} ${event.action} ${event.object}`,
    facts: [
      ["because", event.message],
      ["policy", event.policy],
      ["rule", event.rule],
      ["written in", event.source],
      ["reason", event.reasonCode],
      ["asked by", event.subject],
      ["decided by", `${event.point} in ${formatDuration(event.latencyUs / 1_000)}, policies ${event.policyDigest.slice(0, 12)}`],
      ["request", event.auditId ?? ""],
    ],
    more: [
      ...(values.length === 0 ? [] : [`  ${terminal.style("dim", "values that decided")}`, ...alignColumns(values, terminal.width)]),
      ...(event.policy === "" ? [] : ["", `What it asks for: vigil policy explain ${event.policy}`]),
    ],
  };
}

function aboutOther(event: Exclude<VigilEvent, DecisionEvent>, terminal: Terminal): About {
  switch (event.kind) {
    case "gap":
      return {
        title: `GAP ${event.count} events were lost`,
        facts: [
          ["because", event.reason],
          ["which", `numbers ${event.fromSeq} to ${event.toSeq}`],
        ],
        more: [],
      };
    case "action": {
      const facts: About["facts"] = [
        ["because", event.message],
        ["by", event.subject],
      ];
      return { title: `${event.outcome.toUpperCase()} ${event.action} ${event.object}`, facts, more: [] };
    }
    case "flow":
      return aboutFlow(event);
    case "finding":
      return aboutFinding(event, terminal);
    case "process":
    case "file":
    case "network":
      return { title: printable(`${event.action.toUpperCase()} ${event.object}`), facts: aboutProcess(event), more: [] };
    default:
      return event satisfies never;
  }
}

const aboutProcess = (event: ProcessEvent | FileEvent | NetworkEvent | FindingEvent): About["facts"] => [
  ["by", printable(`${event.binary} (pid ${event.pid})`)],
  ["arguments", event.kind === "process" ? printable(event.args.join(" ")) : ""],
  ["as user", event.kind === "process" ? `${event.uid}, effective ${event.euid}` : ""],
  ["failed with", event.kind !== "finding" && event.result < 0 ? `errno ${-event.result}` : ""],
  ["workload", event.subject],
  ["container", event.containerId.slice(0, 12)],
  ["execution", event.execId],
  ["started by", event.parentExecId],
];

function aboutFlow(event: FlowEvent): About {
  const { srcId, srcName, srcIp, srcPort, dstId, dstName, dstIp, dstPort } = event;
  const end = (name: string, id: string, ip: string, port: number): string =>
    printable([name, id, ip, port === 0 ? "" : `port ${port}`].filter((part) => part !== "").join(" "));
  return {
    title: printable(`${event.verdict.toUpperCase()} ${flowText(event)}`),
    facts: [
      ["because", printable(event.reason)],
      // UNTRUSTED: a service that was broken into says of its own calls what it likes.
      ["policy", printable(event.policy)],
      ["rule", printable(event.rule)],
      ["written in", printable(event.source)],
      ["decided by", `${event.layer}, ${event.direction}${event.latencyUs === 0 ? "" : `, in ${formatDuration(event.latencyUs / 1_000)}`}`],
      ["from", end(srcName, srcId, srcIp, srcPort)],
      ["to", `${end(dstName, dstId, dstIp, dstPort)}, ${event.proto}${event.isEncrypted ? ", encrypted" : ""}`],
      ["bytes", event.bytesSent + event.bytesReceived === 0 ? "" : `${event.bytesSent} sent, ${event.bytesReceived} received`],
      ["times", event.count === 1 ? "" : `${event.count}, told as one`],
      ["from when", event.startTime],
      ["until", event.endTime],
      ["community id", event.communityId],
      ["execution", event.execId],
    ],
    more: event.policy === "" ? [] : ["", printable(`What it asks for: vigil policy explain ${event.policy.split(/[ /]/).at(-1) ?? ""}`)],
  };
}

function aboutFinding(event: FindingEvent, terminal: Terminal): About {
  const ancestry = event.ancestry.map(({ pid, binary, args }, depth) =>
    printable(`    ${"  ".repeat(depth)}${pid} ${[binary, ...args].join(" ")}`),
  );
  const values = Object.entries(event.fields).map(([name, value]) => [`    ${name}`, printable(`= ${value}`)]);
  return {
    title: printable(`${event.action.toUpperCase()} ${event.rule}: ${event.object}`),
    facts: [
      ["because", printable(event.message)],
      ["policy", event.policy],
      ["severity", SEVERITY_NAMES[event.severity]],
      ["seen", event.count === 1 ? "once" : `${event.count} times, from ${event.firstSeen} to ${event.lastSeen}`],
      ["techniques", event.techniques.join(" ")],
      ["status", event.status],
      ...aboutProcess(event),
    ],
    more: [
      ...(values.length === 0 ? [] : [`  ${terminal.style("dim", "values")}`, ...alignColumns(values, terminal.width)]),
      ...(ancestry.length === 0 ? [] : [`  ${terminal.style("dim", "ancestry, the parent first")}`, ...ancestry]),
    ],
  };
}
