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
  readonly input: number;
  readonly message: string;
}

/** Objects that a WeakRef was asked for live until the thread turns to its event loop: it has to, or memory fills up. */
const INPUTS_PER_TURN = 1000;

// What main.ts of this checkout has sent.
const { name, seed, first, shared } = workerData as WorkerOptions;
const state = new Int32Array(shared);
const target = targets.find((candidate) => candidate.name === name);

for (let input = first; target !== undefined && Atomics.load(state, 1) === 0; input++) {
  Atomics.store(state, 0, input);
  if (input % INPUTS_PER_TURN === 0) await setImmediate();
  try {
    target.run(randomOf(seed, input));
  } catch (error) {
    const failure: Failure = { input, message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    parentPort?.postMessage(failure);
    break;
  }
}
