/** Writes docs/commands.md from the catalogue of commands. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CATALOGUE } from "../src/cmd/catalogue.ts";
import type { Command } from "../src/cmd/command.ts";
import { usageLine } from "../src/cmd/command-line.ts";
import { defaultText, flagUsage } from "../src/cmd/help.ts";

export const DOCUMENT = "docs/commands.md";

export function commandReference(): string {
  const contents = CATALOGUE.map(({ path, summary }) => `| [\`${path}\`](#vigil-${path.replaceAll(" ", "-")}) | ${summary} |`);
  return `# Commands

<!-- Written by \`node scripts/command-reference.ts\`; a test keeps it up to date. -->

Results go to standard output; progress, warnings and errors to standard error. Exit codes: 0 yes, 1 no (violations, denied), 2 could not
judge (bad input, unreachable), 130 interrupted. JSON output is a contract: fields are added, never renamed.

| command | what it does |
|---|---|
${contents.join("\n")}

${CATALOGUE.map(commandSection).join("\n")}`;
}

function commandSection(command: Command): string {
  const { path, summary, description, operands, flags, examples, exitCodes } = command;
  const rows = [
    ...operands.map(({ name, summary: what }) => `| \`${name}\` | ${cell(what)} |`),
    ...Object.entries(flags).map(([name, flag]) => `| \`${cell(flagUsage(name, flag))}\` | ${cell(flag.summary + defaultText(flag))} |`),
  ];
  return `## vigil ${path}

${summary[0]?.toUpperCase()}${summary.slice(1)}.${description === undefined ? "" : ` ${description.replaceAll("\n", " ")}`}

\`\`\`text
${usageLine(command)}
\`\`\`
${rows.length === 0 ? "" : `\n| argument | meaning |\n|---|---|\n${rows.join("\n")}\n`}${codes(exitCodes)}
\`\`\`sh
${examples.map(({ line, says }) => `# ${says}\n${line}`).join("\n")}
\`\`\`
`;
}

const codes = (exitCodes: Command["exitCodes"]): string =>
  exitCodes === undefined
    ? ""
    : `\nExit codes: ${Object.entries(exitCodes)
        .map(([code, meaning]) => `${code} ${meaning}`)
        .join("; ")}.\n`;

const cell = (text: string): string => text.replaceAll("|", "\\|");

if (import.meta.main) writeFileSync(join(import.meta.dirname, "..", DOCUMENT), commandReference());
