/** The running product under load: `vigil up` with 100 policies, reviews of 8 KB over TLS with keep-alive. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { LoadOrder, LoadResult } from "../load-client.ts";
import { expressionNumber, policyManifest } from "../policies.ts";
import type { Section } from "../report.ts";

const ROOT = join(import.meta.dirname, "../..");
const POLICIES = 100;
const LISTEN = "127.0.0.1:18443";
const PACED = 1_000;
const NAMESPACE = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";

/** Starts a process and resolves with its first line of output that matches. */
async function started(child: ChildProcess, isReady: RegExp): Promise<void> {
  if (child.stdout === null) throw new Error("the process has no output");
  for await (const line of createInterface({ input: child.stdout })) if (isReady.test(line)) return;
  throw new Error("the process ended before it was ready");
}

async function load(order: LoadOrder, core: string): Promise<LoadResult> {
  const client = spawn("taskset", ["-c", core, process.execPath, join(ROOT, "bench/load-client.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  client.stdin.end(`${JSON.stringify(order)}\n`);
  let answer = "";
  for await (const chunk of client.stdout) answer += chunk;
  return JSON.parse(answer);
}

export async function webhook(): Promise<Section> {
  const directory = mkdtempSync(join(tmpdir(), "vigil-bench-"));
  const policies = join(directory, "policies.yaml");
  writeFileSync(policies, Array.from({ length: POLICIES }, (_, i) => policyManifest(i, expressionNumber(i))).join("---") + NAMESPACE);
  const state = join(directory, "state");
  const args = ["-c", "0", join(ROOT, "vigil"), "up", "--policy", policies, "--listen", LISTEN, "--state", state];
  const vigil = spawn("taskset", args, { cwd: ROOT, stdio: ["ignore", "pipe", "ignore"] });
  try {
    await started(vigil, /ready/);
    vigil.stdout.resume();
    const target = { url: `https://${LISTEN}/validate`, ca: readFileSync(join(state, "admission/ca.crt"), "utf8") };
    await load({ ...target, rate: 0, connections: 16, seconds: 10 }, "1");
    const paced = await load({ ...target, rate: PACED, connections: 16, seconds: 20 }, "1");
    const full = await load({ ...target, rate: 0, connections: 16, seconds: 15 }, "1");
    const row = (name: string, result: LoadResult): string[] => [
      name,
      Math.round(result.perSecond).toLocaleString("en"),
      ...[result.p50Ms, result.p99Ms, result.maxMs].map((ms) => `${ms.toFixed(2)} ms`),
      String(result.failures),
    ];
    return {
      title: "The webhook under load",
      notes: [
        `\`vigil up\` with ${POLICIES} policies that match, its event store on, pinned to one core; the client has the other. Latency is what the client sees, from when a request was due.`,
      ],
      columns: ["load", "reviews/s", "p50", "p99", "max", "failed"],
      rows: [row(`${PACED.toLocaleString("en")} per second`, paced), row("as fast as one core answers", full)],
      targets: [{ what: "p99 at 1,000 reviews/s, ms", goal: "≤ 5", value: paced.p99Ms, met: paced.p99Ms <= 5 && paced.failures === 0 }],
    };
  } finally {
    vigil.kill("SIGTERM");
    if (vigil.exitCode === null) await once(vigil, "exit");
    rmSync(directory, { recursive: true, force: true });
  }
}
