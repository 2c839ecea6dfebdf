/** `vigil flows`: who called whom, and what was decided, at which layer and by which policy. */
import { compactColumns } from "../../event/compact-line.ts";
import type { VigilEvent } from "../../event/event.ts";
import { eventToJson } from "../../event/wire.ts";
import { type EventFilter, followEvents, readEvents } from "../../evidence/event-reader.ts";
import { EXIT, type ExitCode, type Invocation } from "../command.ts";
import { shortId } from "../events/list.ts";
import { findEventStore } from "../events/store.ts";
import { parseInstant } from "../instant.ts";
import { noteError } from "../notes.ts";
import { alignColumns } from "../table.ts";
import type { Style, Terminal } from "../terminal.ts";

export interface FlowsOptions {
  readonly follow: boolean;
  readonly since: string | undefined;
  readonly last: number;
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly verdict: string | undefined;
  readonly port: number | undefined;
  readonly policy: string | undefined;
  readonly layer: string | undefined;
  readonly format: "compact" | "json" | "jsonl";
  readonly state: string | undefined;
  readonly config: string | undefined;
}

export async function listFlows(invocation: Invocation, options: FlowsOptions): Promise<ExitCode> {
  const { terminal } = invocation;
  const directory = findEventStore(invocation, options);
  if (directory === undefined) return EXIT.unable;
  if (options.follow && options.format === "json") {
    noteError(terminal, "`--follow` has no end, so it cannot be one JSON list", "use `-o jsonl`");
    return EXIT.unable;
  }
  const filter = filterOf(options, terminal);
  if (filter === undefined) return EXIT.unable;
  const { policy, ...rest } = filter;
  const flows = readEvents(directory, rest, policy === undefined ? options.last : SEARCHED)
    .filter((event) => isOfPolicy(event, policy))
    .slice(-options.last);
  print(flows, options.format, terminal);
  if (!options.follow) {
    if (flows.length === 0) terminal.note("no flows: they are told of workloads that `vigil up` knows, of kernel and services");
    return EXIT.yes;
  }
  for await (const event of followEvents(directory, rest, invocation.interruption()))
    if (isOfPolicy(event, policy)) print([event], options.format, terminal);
  return EXIT.interrupted;
}

/** How far back flows of a policy are looked for. */
const SEARCHED = 100_000;

function filterOf(options: FlowsOptions, terminal: Terminal): (EventFilter & { readonly policy?: string }) | undefined {
  const { since, from, to, verdict, port, policy, layer } = options;
  const sinceMs = since === undefined ? undefined : parseInstant(since, Date.now());
  if (since !== undefined && sinceMs === undefined) {
    noteError(terminal, `expected a point in time, got \`${since}\``, "such as `15m` (ago), `14:30` or `2026-11-22T14:30:00Z`");
    return undefined;
  }
  const sinceNs = sinceMs === undefined ? undefined : BigInt(Math.round(sinceMs)) * 1_000_000n;
  const stated = Object.entries({ sinceNs, from, to, verdict, port, policy, layer }).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(stated), kind: "flow" };
}

/** `payments-callers` finds `AccessPolicy shop/payments-callers`. */
const isOfPolicy = (event: VigilEvent, wanted: string | undefined): boolean =>
  event.kind === "flow" && (wanted === undefined || event.policy === wanted || event.policy.split(/[ /]/).at(-1) === wanted);

function print(flows: readonly VigilEvent[], format: FlowsOptions["format"], terminal: Terminal): void {
  if (format === "json") terminal.printJson(flows.map(eventToJson));
  else if (format === "jsonl") for (const flow of flows) terminal.printJson(eventToJson(flow), 0);
  else
    for (const line of alignColumns(
      flows.map((flow) => rowOf(flow, terminal)),
      terminal.width,
      FLEXIBLE,
    ))
      terminal.print(line);
}

/** The reason, the ends, the policy. */
const FLEXIBLE = [
  { column: 4, min: 16 },
  { column: 3, min: 16 },
  { column: 2, min: 24 },
];
const COLOURS: ReadonlyMap<string, Style> = new Map([
  ["DENY", "red"],
  ["ERROR", "red"],
  ["AUDIT", "yellow"],
  ["ALLOW", "green"],
]);

function rowOf(event: VigilEvent, terminal: Terminal): readonly string[] {
  const [time = "", verdict = "", ends = "", policy = "", reason = "", layer = "", latency = ""] = compactColumns(event);
  const colour = COLOURS.get(verdict);
  // The kind of policy is in the JSON; on a line its name is enough.
  const name = policy.replace(/^[A-Z]\w+ (?:[^/ ]+\/)?/, "");
  return [
    terminal.style("dim", time),
    colour === undefined ? verdict : terminal.style(colour, verdict),
    ends,
    name,
    reason,
    layer,
    latency,
    terminal.style("dim", shortId(event.id)),
  ];
}
