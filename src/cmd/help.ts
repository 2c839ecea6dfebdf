/** Help texts, made from the catalogue. */
import { formatDuration } from "../lib/duration.ts";
import type { Command, Flag } from "./command.ts";
import { usageLine } from "./command-line.ts";
import { alignColumns } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/** What `vigil help` says: the commands of a group, or all. */
export function groupHelp(words: readonly string[], catalogue: readonly Command[], terminal: Terminal): string {
  const prefix = words.length === 0 ? "" : `${words.join(" ")} `;
  const rows = catalogue.filter(({ path }) => path.startsWith(prefix)).map(({ path, summary }) => [`  ${path}`, summary]);
  const title = words.length === 0 ? ["Vigil judges what enters a cluster by the policies that you already own.", ""] : [];
  return [
    ...title,
    heading("Commands", terminal),
    ...alignColumns(rows, terminal.width),
    "",
    "`vigil help COMMAND` shows its flags and examples. Exit codes: 0 yes, 1 no, 2 could not judge, 130 interrupted.",
  ].join("\n");
}

/** What `vigil help COMMAND` says. */
export function commandHelp(command: Command, terminal: Terminal): string {
  const section = (title: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [] : ["", heading(title, terminal), ...lines];
  const flags = Object.entries(command.flags).map(([name, flag]) => [`  ${flagUsage(name, flag)}`, flag.summary + defaultText(flag)]);
  return [
    `vigil ${command.path}: ${command.summary}`,
    ...(command.description === undefined ? [] : ["", command.description]),
    ...section("Usage", [
      `  ${usageLine(command)}`,
      ...alignColumns(
        command.operands.map(({ name, summary }) => [`    ${name}`, summary]),
        terminal.width,
      ),
    ]),
    ...section("Flags", alignColumns(flags, terminal.width)),
    ...section(
      "Examples",
      command.examples.flatMap(({ line, says }) => [`  # ${says}`, `  ${line}`]),
    ),
    ...section(
      "Exit codes",
      alignColumns(
        Object.entries(command.exitCodes ?? {}).map(([code, meaning]) => [`  ${code}`, meaning]),
        terminal.width,
      ),
    ),
  ].join("\n");
}

const heading = (text: string, terminal: Terminal): string => terminal.style("bold", `${text}:`);

/** `-o, --format text|json` */
export function flagUsage(name: string, flag: Flag): string {
  const short = flag.short === undefined ? "" : `-${flag.short}, `;
  const value = flag.kind === "boolean" ? "" : ` ${flag.kind === "choice" ? flag.choices.join("|") : flag.value}`;
  return `${short}--${name}${value}`;
}

/** ` (default 30m)`, ` (repeatable)`, or nothing. */
export function defaultText(flag: Flag): string {
  if (flag.kind === "list") return " (repeatable)";
  if (flag.kind === "boolean" || flag.default === undefined) return "";
  return ` (default ${flag.kind === "duration" ? formatDuration(flag.default) : flag.default})`;
}
