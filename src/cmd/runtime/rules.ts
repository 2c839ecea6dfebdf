/** `vigil runtime rules`: what rules are about, what runs, and why the rest cannot. */
import type { FalcoRule, SilentRule } from "../../falco/compile.ts";
import { policyNote } from "../../resource/metadata.ts";
import type { RuntimePolicy } from "../../resource/runtime-policy.ts";
import { type EventSources, sourcesOf } from "../../sensor/event-sources.ts";
import { EXIT, type ExitCode } from "../command.ts";
import { noteDiagnostics, noteError } from "../notes.ts";
import { testFiles } from "../policy/test.ts";
import { wrapColumns } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { loadRuntimeRules } from "./load-rules.ts";

export function showRuntimeRules(paths: readonly string[], format: "text" | "json", terminal: Terminal): ExitCode {
  const files = paths.flatMap((path) => testFiles(path, (name) => name.endsWith(".yaml") || name.endsWith(".yml")));
  const { policies, falco, diagnostics } = loadRuntimeRules(files, terminal);
  noteDiagnostics(terminal, diagnostics);
  const count = policies.policies.length + falco.rules.length + falco.silent.length;
  if (count === 0 && diagnostics.length === 0) {
    noteError(terminal, `no RuntimePolicy and no rule of Falco in ${paths.join(", ")}`, "name their files, or directories that hold them");
    return EXIT.unable;
  }
  const wanted = {
    events: policies.interest.events,
    calls: falco.rules.flatMap(({ isEnabled, eventTypes }) => (isEnabled ? eventTypes : [])),
  };
  const sources = sourcesOf({ ...wanted, mayWatchCalls: true });
  if (format === "json")
    terminal.printJson({
      policies: policies.policies.map(policyJson),
      falco: falco.rules.map(ruleJson),
      silent: falco.silent,
      systemCalls: sources.calls,
    });
  else {
    const rows = [...policies.policies.map(policyRow), ...falco.rules.map(ruleRow), ...falco.silent.map(silentRow)];
    for (const line of wrapColumns(rows, terminal.width)) terminal.print(line);
    terminal.print(`${count - falco.silent.length} run, ${falco.silent.length} cannot`);
    terminal.print(costOf(sources.calls, sourcesOf({ ...wanted, mayWatchCalls: false })));
  }
  return diagnostics.some(({ severity }) => severity === "error") ? EXIT.no : EXIT.yes;
}

/** What the rules cost, and what is left of them without that. */
function costOf(calls: readonly string[], without: EventSources): string {
  if (calls.length === 0) return "nothing is attached to system calls for them";
  const told = without.untold.length === 0 ? "" : `; with \`runtime.systemCalls: off\`, ${without.untold.join(", ")} are not told`;
  return `${calls.length} system calls are watched for them, which costs every call of the host about 0.1 µs${told}`;
}

const policyRow = ({ metadata, severity, action, match }: RuntimePolicy): readonly string[] => [
  metadata.name,
  severity.toLowerCase(),
  action.toLowerCase(),
  match.events.join(" "),
  policyNote(metadata, "title") ?? "",
];

const limits = ({ needs, missing }: FalcoRule): string =>
  [...needs.map((need) => `needs ${need}`), ...missing.map((reason) => `without ${reason}`)].join("; ");

const ruleRow = (rule: FalcoRule): readonly string[] => [
  rule.name,
  rule.priority.toLowerCase(),
  rule.isEnabled ? "enabled" : "disabled",
  rule.eventTypes.join(" "),
  limits(rule),
];

const silentRow = ({ name, priority, reason }: SilentRule): readonly string[] => [name, priority.toLowerCase(), "cannot run", "", reason];

const policyJson = ({ metadata, severity, action, match, techniques }: RuntimePolicy): object => ({
  name: metadata.name,
  severity,
  action,
  events: match.events,
  techniques,
});

const ruleJson = ({ name, priority, tags, isEnabled, writtenAt, eventTypes, needs, missing }: FalcoRule): object => ({
  name,
  priority,
  tags,
  isEnabled,
  writtenAt,
  eventTypes,
  needs,
  missing,
});
