/** `vigil events`. */
import { compactColumns } from "../../event/compact-line.ts";
import type { VigilEvent } from "../../event/event.ts";
import { SEVERITY_NAMES } from "../../event/event-stamp.ts";
import { eventToJson } from "../../event/wire.ts";
import { type EventFilter, followEvents, readEvents } from "../../evidence/event-reader.ts";
import { EXIT, type ExitCode, type Invocation } from "../command.ts";
import { parseInstant } from "../instant.ts";
import { noteError } from "../notes.ts";
import { alignColumns } from "../table.ts";
import type { Style, Terminal } from "../terminal.ts";
import { findEventStore } from "./store.ts";

export interface ListOptions {
  readonly follow: boolean;
  readonly since: string | undefined;
  readonly until: string | undefined;
  readonly verdict: string | undefined;
  readonly kind: VigilEvent["kind"] | undefined;
  readonly policy: string | undefined;
  readonly object: string | undefined;
  readonly subject: string | undefined;
  readonly rule: string | undefined;
  readonly pid: number | undefined;
  readonly severity: (typeof SEVERITY_NAMES)[number] | undefined;
  readonly limit: number;
  readonly format: "compact" | "json" | "jsonl";
  readonly state: string | undefined;
  readonly config: string | undefined;
}

export async function listEvents(invocation: Invocation, options: ListOptions): Promise<ExitCode> {
  const { terminal } = invocation;
  const directory = findEventStore(invocation, options);
  if (directory === undefined) return EXIT.unable;
  const filter = filterOf(options, terminal);
  if (filter === undefined) return EXIT.unable;
  if (options.follow && options.format === "json") {
    noteError(terminal, "`--follow` has no end, so it cannot be one JSON list", "use `-o jsonl`");
    return EXIT.unable;
  }
  const events = readEvents(directory, filter, options.limit);
  printEvents(events, options.format, terminal);
  if (!options.follow) {
    if (events.length === 0) terminal.note("no events");
    return EXIT.yes;
  }
  const signal = invocation.interruption();
  for await (const event of followEvents(directory, filter, signal)) printEvents([event], options.format, terminal);
  return EXIT.interrupted;
}

/** What processes did is much, and shown to who asks for it. */
const OBSERVED: readonly VigilEvent["kind"][] = ["process", "file", "network"];

function filterOf(options: ListOptions, terminal: Terminal): EventFilter | undefined {
  const { since, until, verdict, kind, policy, object, subject, rule, pid } = options;
  const severity = options.severity === undefined ? undefined : SEVERITY_NAMES.indexOf(options.severity);
  const nowMs = Date.now();
  const instants = [since, until].map((text) => (text === undefined ? undefined : (parseInstant(text, nowMs) ?? Number.NaN)));
  const wrong = [since, until].find((_, index) => Number.isNaN(instants[index]));
  if (wrong !== undefined) {
    noteError(
      terminal,
      `expected a point in time, got \`${wrong}\``,
      "such as `15m` (ago), `14:30`, `2026-11-22` or `2026-11-22T14:30:00Z`",
    );
    return undefined;
  }
  const [sinceNs, untilNs] = instants.map((ms) => (ms === undefined ? undefined : BigInt(Math.round(ms)) * 1_000_000n));
  const isAsked = [kind, pid, object, subject].some((asked) => asked !== undefined);
  const withoutKinds = isAsked ? undefined : OBSERVED;
  const stated = Object.entries({ withoutKinds, sinceNs, untilNs, verdict, kind, policy, object, subject, rule, pid, severity }).filter(
    ([, value]) => value !== undefined,
  );
  return Object.fromEntries(stated);
}

function printEvents(events: readonly VigilEvent[], format: ListOptions["format"], terminal: Terminal): void {
  if (format === "json") terminal.printJson(events.map(eventToJson));
  else if (format === "jsonl") for (const event of events) terminal.printJson(eventToJson(event), 0);
  else {
    const rows = events.map((event) => compactRow(event, terminal));
    for (const line of alignColumns(rows, terminal.width, FLEXIBLE)) terminal.print(line);
  }
}

/** The message, the object, the policy. */
const FLEXIBLE = [
  { column: 4, min: 30 },
  { column: 2, min: 24 },
  { column: 3, min: 20 },
];
/** Terminals that are narrower do without the enforcement point and the time that it took. */
const WIDE = 150;
const COLOURS: ReadonlyMap<string, Style> = new Map([
  ["DENY", "red"],
  ["ERROR", "red"],
  ["GAP", "red"],
  ["WARN", "yellow"],
  ["AUDIT", "yellow"],
  ["KILL", "red"],
  ["FREEZE", "red"],
  ["REFUSE", "red"],
  ["ALERT", "yellow"],
  ["ALLOW", "green"],
]);

/** The columns of the event, and what `vigil events why` finds it by. */
function compactRow(event: VigilEvent, terminal: Terminal): readonly string[] {
  const [time = "", what = "", object = "", policy = "", message = "", ...more] = compactColumns(event);
  const colour = COLOURS.get(what.split(" ", 1)[0] ?? "");
  const verdict = colour === undefined ? what : terminal.style(colour, what);
  const details = terminal.width < WIDE ? [] : [more[0] ?? "", more[1] ?? ""];
  return [terminal.style("dim", time), verdict, object, policy, message, ...details, terminal.style("dim", shortId(event.id))];
}

/** The last characters of an id: random, so that they tell the events of a day apart. */
export const shortId = (id: string): string => id.slice(-8);
