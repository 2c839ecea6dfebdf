import { type Command, defineCommand } from "../command.ts";
import { CONFIG_FLAG, STATE_FLAG } from "../flags.ts";

const KINDS = ["decision", "action", "gap", "process", "file", "network", "flow", "finding"] as const;

export const eventsCommand: Command = defineCommand({
  path: "events",
  summary: "show what was decided, done and found, and by which policy",
  description:
    "Reads the store of this machine; Vigil need not run. What processes did is shown with `--kind`, `--pid`, `--object` or `--subject`. TIME is `15m` (ago), `14:30`, `2026-11-22` or `2026-11-22T14:30:00Z`.",
  operands: [],
  flags: {
    follow: { kind: "boolean", short: "f", summary: "go on with new events, until interrupted" },
    since: { kind: "text", value: "TIME", summary: "only events from then on" },
    until: { kind: "text", value: "TIME", summary: "only events before" },
    verdict: { kind: "choice", choices: ["allow", "deny", "warn", "audit", "error"], summary: "only decisions and flows of this kind" },
    kind: { kind: "choice", choices: KINDS, summary: "only events of this kind" },
    policy: { kind: "text", value: "NAME", summary: "only decisions, flows and findings of this policy" },
    rule: { kind: "text", value: "NAME", summary: "only what this rule decided or found" },
    severity: {
      kind: "choice",
      choices: ["informational", "low", "medium", "high", "critical", "fatal"],
      summary: "only what is at least so severe",
    },
    pid: { kind: "integer", value: "PID", min: 1, max: 4_194_304, summary: "only what this process did" },
    object: { kind: "text", value: "TEXT", summary: "only where the object's name contains it: `Pod shop/`, `/etc/`" },
    subject: { kind: "text", value: "NAME", summary: "only what this user asked for or this workload did" },
    limit: { kind: "integer", short: "n", value: "N", min: 1, max: 1_000_000, default: 100, summary: "the newest so many" },
    format: {
      kind: "choice",
      short: "o",
      choices: ["compact", "json", "jsonl"],
      default: "compact",
      summary: "one line each, one JSON list, or JSON lines",
    },
    state: STATE_FLAG,
    config: CONFIG_FLAG,
  },
  examples: [
    { line: "vigil events --verdict deny --since 1h", says: "what was refused in the last hour" },
    { line: "vigil events --kind finding --severity high", says: "what rules found on this host" },
    { line: "vigil events --follow", says: "as it happens" },
    { line: "vigil events -o jsonl --object 'Pod shop/'", says: "for another program" },
  ],
  run: async (invocation) => (await import("../events/list.ts")).listEvents(invocation, invocation.flags),
});

export const eventsWhyCommand: Command = defineCommand({
  path: "events why",
  summary: "explain one event: the policy, the rule and the values that decided, or who did what",
  operands: [{ name: "ID", summary: "of the event, its last characters, or `last` for the newest refusal", arity: "one" }],
  flags: {
    format: { kind: "choice", short: "o", choices: ["text", "json"], default: "text", summary: "output for people or for programs" },
    state: STATE_FLAG,
    config: CONFIG_FLAG,
  },
  examples: [{ line: "vigil events why last", says: "the newest refusal" }],
  run: async (invocation) => (await import("../events/why.ts")).explainEvent(invocation, invocation.operands[0] ?? "", invocation.flags),
});
