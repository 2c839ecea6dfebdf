/** `vigil check` and `kyverno apply` over the same 10,000 manifests with the same 16 policies, as whole commands. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGoPeer } from "../engine/go-engines.ts";
import { median } from "../measure.ts";
import type { Section } from "../report.ts";
import { deployment } from "../workload.ts";

const ROOT = join(import.meta.dirname, "../..");
const POLICIES = join(ROOT, "test/data/kyverno/pod-security-vpol");
const MANIFESTS = 10_000;
/** Kyverno gets a hundredth: a hundred take it tens of seconds, and more of them longer than in proportion. */
const PEER_MANIFESTS = 100;
const PER_FILE = 100;
const ROUNDS = 3;

/** Deployments as YAML, a hundred in a file; returns the bytes. JSON is YAML, but nobody writes it: block style is what both have to read. */
function writeManifests(directory: string, count: number): number {
  mkdirSync(directory);
  let bytes = 0;
  for (let file = 0; file < count / PER_FILE; file++) {
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

interface Contestant {
  readonly name: string;
  readonly manifests: number;
  readonly bytes: number;
  readonly seconds: number[];
  readonly run: () => number;
}

export async function checking(): Promise<Section> {
  const kyverno = buildGoPeer("kyverno", "github.com/kyverno/kyverno/cmd/cli/kubectl-kyverno");
  const directory = mkdtempSync(join(tmpdir(), "vigil-bench-"));
  try {
    const all = join(directory, "all");
    const hundredth = join(directory, "hundredth");
    const bytes = writeManifests(all, MANIFESTS);
    const peerBytes = writeManifests(hundredth, PEER_MANIFESTS);
    const policies = policyFiles(POLICIES);
    const check = ["check", all, "--format", "json", ...policies.flatMap((path) => ["--policy", path])];
    const contestants: readonly Contestant[] = [
      { name: "vigil check", manifests: MANIFESTS, bytes, seconds: [], run: () => wallSeconds(join(ROOT, "vigil"), check, ROOT) },
      {
        name: "kyverno apply",
        manifests: PEER_MANIFESTS,
        bytes: peerBytes,
        seconds: [],
        run: () => wallSeconds(kyverno, ["apply", ...policies, "--resource", hundredth], ROOT),
      },
    ];
    for (let round = 0; round < ROUNDS; round++) for (const { seconds, run } of contestants) seconds.push(run());
    const perSecond = ({ manifests, seconds }: Contestant): number => manifests / median(seconds);
    const [ours, theirs] = contestants.map(perSecond);
    const ratio = (ours ?? Number.NaN) / (theirs ?? Number.NaN);
    return {
      title: "10,000 manifests on the command line",
      notes: [
        `Deployments, ${PER_FILE} in a file, judged by ${policies.length} ValidatingPolicies (Pod Security, Kyverno's own). Wall time of the whole command, median of ${ROUNDS}; Kyverno gets ${PEER_MANIFESTS.toLocaleString("en")} of the manifests.`,
      ],
      columns: ["command", "manifests", "seconds", "manifests/s", "MiB/s"],
      rows: contestants.map((contestant) => [
        contestant.name,
        contestant.manifests.toLocaleString("en"),
        median(contestant.seconds).toFixed(2),
        Math.round(perSecond(contestant)).toLocaleString("en"),
        (contestant.bytes / 2 ** 20 / median(contestant.seconds)).toFixed(3),
      ]),
      targets: [{ what: "manifests/s, times kyverno apply", goal: "> 1 ×", value: ratio, met: ratio > 1 }],
      versions: { Kyverno: "1.19.1" },
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
