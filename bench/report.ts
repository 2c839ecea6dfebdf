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

function packageVersion(name: string): string {
  return JSON.parse(readFileSync(join(import.meta.dirname, "../node_modules", name, "package.json"), "utf8")).version;
}

export function renderReport(sections: readonly Section[], takenAt: Date): string {
  const revision = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  const versions = {
    Vigil: revision,
    "Node.js": process.version,
    "@marcbachmann/cel-js": packageVersion("@marcbachmann/cel-js"),
    "@bufbuild/cel": packageVersion("@bufbuild/cel"),
    "@cedar-policy/cedar-wasm": packageVersion("@cedar-policy/cedar-wasm"),
    ...Object.assign({}, ...sections.map((section) => section.versions ?? {})),
  };
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`;
  return `${[
    "# Measured",
    `Made by \`npm run bench\` on ${takenAt.toISOString().slice(0, 10)}. Machine: ${machine}; shared and noisy: compare ratios within this page, not times across pages.`,
    "Times are CPU time of the process unless a line says otherwise; engines take turns in short batches and the median of the batches is quoted.",
    table(["component", "version"], Object.entries(versions)),
    ...sections.map(renderSection),
  ].join("\n\n")}\n`;
}
