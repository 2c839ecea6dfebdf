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

/** A command, on one core when one is named. */
const onCore = (core: string | null, command: readonly string[]): readonly [string, readonly string[]] => {
  const [program = "", ...args] = core === null ? command : ["taskset", "-c", core, ...command];
  return [program, args];
};

async function load(order: LoadOrder, core: string | null): Promise<LoadResult> {
  const [program, args] = onCore(core, [process.execPath, join(ROOT, "bench/load-client.ts")]);
  const client = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  client.stdin.end(`${JSON.stringify(order)}\n`);
  let answer = "";
  for await (const chunk of client.stdout) answer += chunk;
  return JSON.parse(answer);
}

type Target = Pick<LoadOrder, "url" | "ca">;

/** Runs `work` against a `vigil up` of its own. */
async function withVigil(core: string | null, work: (target: Target) => Promise<LoadResult>): Promise<LoadResult> {
  const directory = mkdtempSync(join(tmpdir(), "vigil-bench-"));
  const policies = join(directory, "policies.yaml");
  writeFileSync(policies, Array.from({ length: POLICIES }, (_, i) => policyManifest(i, expressionNumber(i))).join("---") + NAMESPACE);
  const state = join(directory, "state");
  const [program, args] = onCore(core, [join(ROOT, "vigil"), "up", "--policy", policies, "--listen", LISTEN, "--state", state]);
  const vigil = spawn(program, args, { cwd: ROOT, stdio: ["ignore", "pipe", "ignore"] });
  try {
    await started(vigil, /ready/);
    vigil.stdout.resume();
    return await work({ url: `https://${LISTEN}/validate`, ca: readFileSync(join(state, "admission/ca.crt"), "utf8") });
  } finally {
    vigil.kill("SIGTERM");
    if (vigil.exitCode === null) await once(vigil, "exit");
    rmSync(directory, { recursive: true, force: true });
  }
}

const FULL: Omit<LoadOrder, "url" | "ca"> = { rate: 0, connections: 16, seconds: 10 };

export async function webhook(): Promise<Section> {
  const paced = await withVigil(null, async (target) => {
    await load({ ...target, ...FULL }, null);
    return load({ ...target, rate: PACED, connections: 16, seconds: 20 }, null);
  });
  const full = await withVigil("0", async (target) => {
    await load({ ...target, ...FULL }, "1");
    return load({ ...target, ...FULL }, "1");
  });
  const row = (name: string, result: LoadResult): string[] => [
    name,
    Math.round(result.perSecond).toLocaleString("en"),
    ...[result.p50Ms, result.p99Ms, result.maxMs].map((ms) => `${ms.toFixed(2)} ms`),
    String(result.failures),
  ];
  return {
    title: "The webhook under load",
    notes: [
      `\`vigil up\` with ${POLICIES} policies that match and its event store on; reviews of 8 KB over TLS with 16 kept connections, after ten seconds of warming up.`,
      "Latency is what the client sees, from when a request was due. At full rate Vigil has one core with all its threads, the client the other.",
    ],
    columns: ["load", "reviews/s", "p50", "p99", "max", "failed"],
    rows: [row(`${PACED.toLocaleString("en")} per second`, paced), row("as fast as one core answers", full)],
    targets: [{ what: "p99 at 1,000 reviews/s, ms", goal: "≤ 5", value: paced.p99Ms, met: paced.p99Ms <= 5 && paced.failures === 0 }],
  };
}
