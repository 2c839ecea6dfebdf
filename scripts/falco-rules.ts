/** Writes docs/falco-rules.md: of Falco's own rules, which run here and why the rest cannot. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CompiledRules, compileRules, type FalcoRule } from "../src/falco/compile.ts";
import { EVENT_TYPES } from "../src/falco/event-type.ts";
import { FIELDS } from "../src/falco/field.ts";
import { loadRules } from "../src/falco/rule-set.ts";
import { readValues } from "../src/resource/document.ts";

export const DOCUMENT = "docs/falco-rules.md";
const ROOT = join(import.meta.dirname, "..");
const FILES = [
  ["Stable", "falco_rules.yaml"],
  ["Incubating", "falco-incubating_rules.yaml"],
  ["Sandbox", "falco-sandbox_rules.yaml"],
] as const;

export function falcoRules(): string {
  const loaded = FILES.map(([title, file]) => ({ title, file, rules: load(file) }));
  const running = loaded.flatMap(({ rules }) => rules.rules).length;
  const all = running + loaded.flatMap(({ rules }) => rules.silent).length;
  return `# Falco's rules

<!-- Written by \`node scripts/falco-rules.ts\`; a test keeps it up to date. -->

Vigil reads Falco's rule files as they are: rules, macros, lists, exceptions, \`append\` and \`override\`, all operators, modifiers and
transformers but \`getopt\`. Of the ${all} rules that Falco ships (three files, at the version that tests use), ${running} run.

\`\`\`sh
vigil runtime rules test/data/falco
\`\`\`

A rule that runs may ask for facts that the kernel does not have. Without them their fields have no value, as in Falco: a check of one is
false. A rule that excepts images then excepts none; a rule that is only about them finds nothing.

- *container runtime*: name, image, privileges and mounts of a container. Its id always comes from the cgroup.
- *Kubernetes*: name and namespace of the Pod.
- *name resolution*: the name that an address was resolved from.
- *environment*: the variables of a process, which are read only when a rule asks for them.

Differences from Falco: every rule that matches is reported, not only the first; an event is delivered when its call returns
(\`evt.dir\` is always \`<\`); \`execve\` is delivered for programs that were started, not for attempts; events of a file or a socket whose
type of event no rule asks about are not collected at all.
${loaded.map(({ title, file, rules }) => section(title, file, rules)).join("")}
## Fields

${FIELDS.size} fields have values here. What is needed beside the kernel is in brackets.

${[...FIELDS.values()]
  .map(({ name, needs }) => (needs === undefined ? `\`${name}\`` : `\`${name}\` (${needs})`))
  .sort()
  .join(", ")}

## Events

${[...EVENT_TYPES.keys()]
  .map((name) => `\`${name}\``)
  .sort()
  .join(", ")}
`;
}

const load = (file: string): CompiledRules =>
  compileRules(loadRules(readValues(readFileSync(join(ROOT, "test/data/falco", file), "utf8"), file).documents), { includes: () => true });

function section(title: string, file: string, { rules, silent }: CompiledRules): string {
  const rows = [
    ...rules.map((rule) => ({ line: lineOf(rule.writtenAt), row: row(rule) })),
    ...silent.map(({ name, writtenAt, isEnabled, reason }) => ({
      line: lineOf(writtenAt),
      row: `| ${name} | ${isEnabled ? "yes" : "no"} | **no** | | ${cell(reason)} |`,
    })),
  ].sort((a, b) => a.line - b.line);
  return `
## ${title} (\`${file}\`)

| Rule | Enabled | Runs | Events | Needs, and what is missing |
|---|---|---|---|---|
${rows.map((entry) => entry.row).join("\n")}
`;
}

const lineOf = (writtenAt: string): number => Number(writtenAt.split(":").at(-2));
const cell = (text: string): string => text.replaceAll("|", "\\|");
const row = ({ name, isEnabled, eventTypes, needs, missing }: FalcoRule): string =>
  `| ${cell(name)} | ${isEnabled ? "yes" : "no"} | yes | ${eventTypes.join(", ")} | ${cell([...needs, ...missing].join("; "))} |`;

if (import.meta.main) writeFileSync(join(ROOT, DOCUMENT), falcoRules());
