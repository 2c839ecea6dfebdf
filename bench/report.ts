/** What a run of the benchmarks found, as a page. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";

export interface Target {
  readonly what: string;
  readonly goal: string;
  readonly value: number;
  readonly met: boolean;
}

export interface Section {
  readonly title: string;
  readonly notes: readonly string[];
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly targets: readonly Target[];
  /** Versions of the peers that took part. */
  readonly versions?: Readonly<Record<string, string>>;
}

const table = (columns: readonly string[], rows: readonly (readonly string[])[]): string =>
  [columns, columns.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");

export function renderSection(section: Section): string {
  const targets = section.targets.map(({ what, goal, value, met }) => [
    what,
    goal,
    Number(value.toPrecision(3)).toString(),
    met ? "met" : "**missed**",
  ]);
  return [
    `## ${section.title}`,
    section.notes.map((note) => `- ${note}`).join("\n"),
    table(section.columns, section.rows),
    ...(targets.length === 0 ? [] : [table(["target", "goal", "measured", ""], targets)]),
  ].join("\n\n");
}

/** Of a package that is installed. */
export function packageVersion(name: string): string {
  return JSON.parse(readFileSync(join(import.meta.dirname, "../node_modules", name, "package.json"), "utf8")).version;
}

/** What a section was measured with: sections of one page may be of different days. */
function stampOf({ versions = {} }: Section, takenAt: Date): string {
  const revision = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  const all = { Vigil: revision, "Node.js": process.version, ...versions };
  const texts = Object.entries(all).map(([name, version]) => `${name} ${version}`);
  return `Measured on ${takenAt.toISOString().slice(0, 10)} with ${texts.join(", ")}.`;
}

/** The page with these sections: those of the page before that were not measured now stay as they are, in their order. */
export function renderReport(sections: readonly Section[], takenAt: Date, before: string): string {
  const kept = before.split(/^(?=## )/m).filter((block) => block.startsWith("## "));
  const blocks = new Map(kept.map((block) => [titleOf(block), block.trim()]));
  for (const section of sections) blocks.set(section.title, `${renderSection(section)}\n\n${stampOf(section, takenAt)}`);
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`;
  return `${[
    "# Measured",
    `Made by \`npm run bench\`. Machine: ${machine}; shared and noisy: compare ratios within a section, not times across sections.`,
    "Times are CPU time of the process unless a line says otherwise; engines take turns in short batches and the median of the batches is quoted.",
    ...blocks.values(),
  ].join("\n\n")}\n`;
}

const titleOf = (block: string): string => /^## (?<title>.*)$/m.exec(block)?.groups?.["title"] ?? "";
