/**
 * `npm run fuzz -- [--minutes N] [--only NAME]… [--seed N] [--input N]`: runs the targets in turn, ten minutes in all unless told otherwise,
 * and exits with 1 when one of them fails, crashes or hangs. The failing input is saved and can be run again by its number.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import type { FuzzTarget } from "./target.ts";
import { targets } from "./targets.ts";
import type { Failure, Reached, WorkerOptions } from "./worker.ts";

const LOOK_MS = 500;
const PROGRESS_MS = 10_000;
/** Longer than any target lets an input take. */
const HANG_MS = 30_000;
const LOAD_MS = 300_000;
const MAX_HEAP_MB = 2048;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    only: { type: "string", multiple: true },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    input: { type: "string" },
  },
});
const seed = Number(values.seed);
const chosen = targets.filter(({ name }) => values.only === undefined || values.only.includes(name));
if (chosen.length === 0) {
  console.error(`error: no target \`${values.only?.join(", ")}\`; there are ${targets.map(({ name }) => `\`${name}\``).join(", ")}`);
  process.exit(2);
}
const sliceMs = (Number(values.minutes) * 60_000) / chosen.length;

for (const target of chosen) {
  const { name } = target;
  const failure = await fuzz(target, values.input === undefined ? sliceMs : 0);
  if (failure === undefined) continue;
  report(name, failure);
  process.exit(1);
}

/** Runs one target for a while, at least one input. The failure is undefined when there was none. */
async function fuzz({ name, casesPerInput = 1 }: FuzzTarget, forMs: number): Promise<Failure | undefined> {
  const shared = new SharedArrayBuffer(8);
  const state = new Int32Array(shared);
  const first = Number(values.input ?? 0);
  // The one before the first, until the thread has begun: loading the targets takes a while on a busy machine.
  Atomics.store(state, 0, first - 1);
  const options: WorkerOptions = { name, seed, first, shared };
  const worker = new Worker(new URL("./worker.ts", import.meta.url), {
    workerData: options,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  });
  let failure: Failure | undefined;
  let hasEnded = false;
  worker.on("message", (message: Failure | Reached) => {
    if (message.kind === "failure") failure = message;
    else for (const [verdict, count] of [...message.verdicts].sort()) console.log(`  ${verdict}: ${count}`);
  });
  worker.on("error", (error) => {
    failure ??= { kind: "failure", input: Atomics.load(state, 0), message: `the thread ended: ${error}` };
  });
  worker.on("exit", () => {
    hasEnded = true;
  });

  let startMs = performance.now();
  let progress = { input: first - 1, sinceMs: startMs };
  let shownMs = startMs;
  while (!hasEnded) {
    await setTimeout(LOOK_MS);
    const nowMs = performance.now();
    const input = Atomics.load(state, 0);
    if (input !== progress.input) {
      if (progress.input < first) startMs = nowMs;
      progress = { input, sinceMs: nowMs };
    } else if (nowMs - progress.sinceMs > (input < first ? LOAD_MS : HANG_MS)) {
      await worker.terminate();
      return { kind: "failure", input, message: "still running after half a minute, or not begun after five" };
    }
    if (input >= first && nowMs - startMs >= forMs) Atomics.store(state, 1, 1);
    if (nowMs - shownMs >= PROGRESS_MS || hasEnded) {
      shownMs = nowMs;
      const inputs = input + 1 - first;
      const cases = casesPerInput === 1 ? "" : ` (${inputs * casesPerInput} cases)`;
      console.log(`${name}: ${inputs} inputs${cases} in ${Math.round((nowMs - startMs) / 1000)} s`);
    }
  }
  return failure;
}

function report(name: string, { input, message }: Failure): void {
  const directory = new URL("../../.vigil/fuzz/", import.meta.url);
  const file = new URL(`${name.replaceAll(" ", "-")}-${seed}-${input}.txt`, directory);
  mkdirSync(directory, { recursive: true });
  writeFileSync(file, `${message}\n`);
  console.error(`\n${name} failed on input ${input} of seed ${seed}:\n${message.slice(0, 4000)}\n`);
  console.error(`saved as .vigil/fuzz/${file.pathname.split("/").at(-1)}; run it again with`);
  console.error(`  npm run fuzz -- --only '${name}' --seed ${seed} --input ${input}`);
}
