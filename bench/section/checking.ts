/** `vigil check` and `kyverno apply` over the same 10,000 manifests with the same 16 policies, as whole commands. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGoPeer } from "../engine/go-engines.ts";
import { median } from "../measure.ts";
import type { Section } from "../report.ts";
import { deployment } from "../workload.ts";

const ROOT = join(import.meta.dirname, "../..");
const POLICIES = join(ROOT, "test/data/kyverno/pod-security-vpol");
const MANIFESTS = 10_000;
const PER_FILE = 100;
const ROUNDS = 3;

/** Deployments as YAML, a hundred in a file. JSON is YAML, but nobody writes it: block style is what both have to read. */
function writeManifests(directory: string): number {
  let bytes = 0;
  for (let file = 0; file < MANIFESTS / PER_FILE; file++) {
    const documents = Array.from({ length: PER_FILE }, (_, i) => {
      const object = deployment(file * PER_FILE + i);
      return blockYaml({ ...object, metadata: { ...object.metadata, name: `app-${file * PER_FILE + i}` } }, "");
    });
    const text = documents.join("---\n");
    bytes += text.length;
    writeFileSync(join(directory, `manifests-${file}.yaml`), text);
  }
  return bytes;
}

function blockYaml(value: object, indent: string): string {
  const entries: readonly [string, unknown][] = Object.entries(value);
  return entries.map(([key, item]) => `${indent}${key}:${blockValue(item, indent)}`).join("");
}

function blockValue(value: unknown, indent: string): string {
  if (Array.isArray(value))
    return `\n${value.map((item) => `${indent}- ${blockYaml(item, `${indent}  `).slice(indent.length + 2)}`).join("")}`;
  if (typeof value === "object" && value !== null) return `\n${blockYaml(value, `${indent}  `)}`;
  return ` ${typeof value === "string" ? JSON.stringify(value) : String(value)}\n`;
}

function policyFiles(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".yaml") && !path.includes(".kyverno-test"))
    .map((path) => join(directory, path))
    .filter((path) => statSync(path).isFile());
}

function wallSeconds(command: string, args: readonly string[], cwd: string): number {
  const start = process.hrtime.bigint();
  const { status, error, stderr } = spawnSync(command, args, { cwd, stdio: ["ignore", "ignore", "pipe"], maxBuffer: 1 << 28 });
  if (error) throw error;
  if (status === null || status > 1) throw new Error(`${command} ended with ${status}: ${stderr}`);
  return Number(process.hrtime.bigint() - start) / 1e9;
}

export async function checking(): Promise<Section> {
  const kyverno = buildGoPeer("kyverno", "github.com/kyverno/kyverno/cmd/cli/kubectl-kyverno");
  const directory = mkdtempSync(join(tmpdir(), "vigil-bench-"));
  try {
    const bytes = writeManifests(directory);
    const policies = policyFiles(POLICIES);
    const runs = {
      "vigil check": () =>
        wallSeconds(join(ROOT, "vigil"), ["check", directory, "--format", "json", ...policies.flatMap((path) => ["--policy", path])], ROOT),
      "kyverno apply": () => wallSeconds(kyverno, ["apply", ...policies, "--resource", directory], ROOT),
    };
    const samples = new Map<string, number[]>();
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, run] of Object.entries(runs)) samples.set(name, [...(samples.get(name) ?? []), run()]);
    }
    const seconds = (name: string): number => median(samples.get(name) ?? []);
    const ratio = seconds("kyverno apply") / seconds("vigil check");
    return {
      title: "10,000 manifests on the command line",
      notes: [
        `${MANIFESTS.toLocaleString("en")} Deployments, ${(bytes / 2 ** 20).toFixed(1)} MiB of YAML in ${MANIFESTS / PER_FILE} files, ${policies.length} ValidatingPolicies (Pod Security, Kyverno's own). Wall time of the whole command, median of ${ROUNDS}.`,
      ],
      columns: ["command", "seconds", "manifests/s", "MiB/s"],
      rows: Object.keys(runs).map((name) => [
        name,
        seconds(name).toFixed(2),
        Math.round(MANIFESTS / seconds(name)).toLocaleString("en"),
        (bytes / 2 ** 20 / seconds(name)).toFixed(2),
      ]),
      targets: [{ what: "faster than kyverno apply", goal: "> 1 ×", value: ratio, met: ratio > 1 }],
      versions: { Kyverno: "1.19.1" },
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
