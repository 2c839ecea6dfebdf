/** Runs one target input after input, in a thread of its own: a thread that hangs can be ended. */
import { setImmediate } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { randomOf } from "./target.ts";
import { targets } from "./targets.ts";

export interface WorkerOptions {
  readonly name: string;
  readonly seed: number;
  readonly first: number;
  /** The number of the input that is running, then whether to stop, as 32-bit integers. */
  readonly shared: SharedArrayBuffer;
}
export interface Failure {
  readonly kind: "failure";
  readonly input: number;
  readonly message: string;
}

/** How often each verdict was returned. */
export interface Reached {
  readonly kind: "reached";
  readonly verdicts: ReadonlyMap<string, number>;
}

/** Objects that a WeakRef was asked for live until the thread turns to its event loop: it has to, or memory fills up. */
const INPUTS_PER_TURN = 1000;

// What main.ts of this checkout has sent.
const { name, seed, first, shared } = workerData as WorkerOptions;
const state = new Int32Array(shared);
const target = targets.find((candidate) => candidate.name === name);

const verdicts = new Map<string, number>();
for (let input = first; target !== undefined && Atomics.load(state, 1) === 0; input++) {
  Atomics.store(state, 0, input);
  if (input % INPUTS_PER_TURN === 0) await setImmediate();
  try {
    const outcome = target.run(randomOf(seed, input));
    const verdict: unknown = outcome instanceof Promise ? await outcome : outcome;
    if (typeof verdict === "string") verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
  } catch (error) {
    const failure: Failure = { kind: "failure", input, message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    parentPort?.postMessage(failure);
    break;
  }
}
const reached: Reached = { kind: "reached", verdicts };
parentPort?.postMessage(reached);
// A target may have servers that would keep the thread.
parentPort?.close();
process.exit();
