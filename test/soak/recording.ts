/**
 * A recording under load for an hour (or as long as told): programs are started and files opened in a cgroup, of which a process records
 * the system calls and watches what is done with the rules that ship. Now and then that process reads nothing while more happens than its
 * rings hold. Prints memory and counts by quarter. Fails when memory, descriptors or objects of the kernel grow, when what was told and what was
 * counted as lost are not exactly what happened, or when something is left in the kernel.
 */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { listIds } from "../../src/ebpf/kernel/object-info.ts";
import { Cgroup } from "../../src/linux/cgroup.ts";
import type { Ask, RecordingSample } from "./recording-process.ts";

const QUARTERS = 4;
const SAMPLES_PER_QUARTER = 5;
const MAX_RATIO = 1.05;
/** Resident memory has what the collector gives back late. */
const MAX_RESIDENT_RATIO = 1.1;
const FREEING_ATTEMPTS = 40;
const WARM_UP_PART = 1 / 20;
const MIB = 1024 * 1024;

interface Batch {
  readonly programs: number;
  readonly files: number;
}
/** As `vigil up` starts the sensor. */
const SENSOR_OPTIONS = ["--max-semi-space-size=2"];
const TICK_MS = 250;
const PER_TICK: Batch = { programs: 15, files: 250 };
/** More than fits into the rings. */
const OVERLOAD: Batch = { programs: 700, files: 6_000 };

/** So many processes that those which have ended are as many as are kept. */
const WARM_UP: Batch = { programs: 5_000, files: 0 };

/** Does as it is told, in lines: so many programs, so many files. */
const LOAD = `while read -r programs files; do
  while [ "$programs" -gt 0 ]; do /bin/true; programs=$((programs - 1)); done
  while [ "$files" -gt 0 ]; do : </dev/null; files=$((files - 1)); done
  echo done
done`;

/** A shell in the cgroup, and what it has done. */
class Load implements AsyncDisposable {
  programs = 0;
  readonly #shell: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(cgroup: Cgroup) {
    this.#shell = spawn("/bin/sh", ["-c", LOAD], { stdio: ["pipe", "pipe", "inherit"] });
    const { pid, stdout } = this.#shell;
    if (pid === undefined || stdout === null) throw new Error("the shell did not start");
    cgroup.add(pid);
    this.#answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  async run({ programs, files }: Batch): Promise<void> {
    this.#shell.stdin?.write(`${programs} ${files}\n`);
    const { done } = await this.#answers.next();
    if (done === true) throw new Error("the load has ended");
    this.programs += programs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#shell.stdin?.end();
    if (this.#shell.exitCode === null) await once(this.#shell, "exit");
  }
}

/** The process that records. */
class Recorder {
  readonly #process: ChildProcess;
  readonly #directory: string;

  constructor(cgroupId: bigint, directory: string) {
    this.#directory = directory;
    this.#process = fork(new URL("./recording-process.ts", import.meta.url), [String(cgroupId)], {
      execArgv: ["--expose-gc", ...SENSOR_OPTIONS],
    });
    this.#process.on("exit", (code) => {
      if (code !== 0) throw new Error(`the process that records ended with ${code}`);
    });
  }

  /** Its next message: it is of this checkout and answers in turn. */
  async answer<T>(): Promise<T> {
    const [message] = await once(this.#process, "message");
    return message as T;
  }

  ask(ask: Ask): void {
    this.#process.send(ask);
  }

  sample(): Promise<RecordingSample> {
    this.ask({ kind: "sample" });
    return this.answer();
  }

  /** Does something while nothing is read. */
  async whileBlocked(work: () => Promise<void>): Promise<void> {
    const file = join(this.#directory, "go-on");
    this.ask({ kind: "block", file });
    await this.answer<"blocked">();
    await pause(2 * TICK_MS);
    await work();
    writeFileSync(file, "");
    await this.answer<"awake">();
  }

  /** The calls of the recorded profile. */
  async stop(): Promise<readonly string[]> {
    this.ask({ kind: "stop" });
    const calls = await this.answer<readonly string[]>();
    await once(this.#process, "exit");
    return calls;
  }
}

const mean = (samples: readonly RecordingSample[], of: (sample: RecordingSample) => number): number =>
  samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
const mib = (sizeBytes: number): string => (sizeBytes / MIB).toFixed(2);

async function keepBusy(load: Load, untilMs: number): Promise<void> {
  while (performance.now() < untilMs) {
    const next = performance.now() + TICK_MS;
    await load.run(PER_TICK);
    await pause(Math.max(0, next - performance.now()));
  }
}

/** False when something grew, was not accounted for, or was left behind. */
export async function soakRecording(minutes: number): Promise<boolean> {
  const { cgroup } = Cgroup.create(`soak-${process.pid}`, {});
  const { id } = cgroup;
  if (id === undefined) throw new Error("a cgroup of its own is needed, as root");
  const directory = mkdtempSync(join(tmpdir(), "vigil-soak-"));
  try {
    return await soak(minutes, cgroup, new Recorder(id, directory));
  } finally {
    await cgroup.remove();
    rmSync(directory, { recursive: true });
  }
}

async function soak(minutes: number, cgroup: Cgroup, recorder: Recorder): Promise<boolean> {
  await recorder.answer();
  await using load = new Load(cgroup);
  const totalMs = minutes * 60_000;
  await load.run({ programs: 0, files: 0 });
  await recorder.sample();
  await load.run(WARM_UP);
  await keepBusy(load, performance.now() + totalMs * WARM_UP_PART);
  await recorder.whileBlocked(() => load.run(OVERLOAD));
  const quarters: RecordingSample[][] = [];
  const first = await recorder.sample();
  const startMs = performance.now();
  for (let quarter = 1; quarter <= QUARTERS; quarter++) {
    const samples: RecordingSample[] = [];
    for (let part = 1; part <= SAMPLES_PER_QUARTER; part++) {
      const done = (SAMPLES_PER_QUARTER * (quarter - 1) + part) / (QUARTERS * SAMPLES_PER_QUARTER);
      await keepBusy(load, startMs + totalMs * done);
      await recorder.whileBlocked(() => load.run(OVERLOAD));
      samples.push(await recorder.sample());
    }
    quarters.push(samples);
    const last = samples.at(-1) ?? first;
    console.log(
      `quarter ${quarter}: heap ${mib(mean(samples, ({ heapBytes }) => heapBytes))} MiB, resident ${mib(mean(samples, ({ rssBytes }) => rssBytes))} MiB, ` +
        `kernel ${mib(last.kernelBytes)} MiB, ${last.descriptors} descriptors, ${last.objects.length} objects; ` +
        `${last.records} records, ${last.lost} lost, ${last.counted} happened; CPU ${(last.cpuUs / 10_000 / ((performance.now() - startMs) / 1000 + (0.05 * totalMs) / 1000)).toFixed(2)} %`,
    );
  }
  const programs = load.programs;
  const calls = await recorder.stop();
  const { objects } = quarters.at(-1)?.at(-1) ?? first;
  return report({ first, quarters, programs, calls, left: await leftOf(objects) });
}

/** Which of these objects are still there; the kernel frees them some moments after their last descriptor is closed. */
async function leftOf(objects: readonly string[]): Promise<readonly string[]> {
  let left = objects;
  for (let attempt = 0; attempt < FREEING_ATTEMPTS && left.length > 0; attempt++) {
    await pause(TICK_MS);
    const all = new Set(Object.entries(listIds()).flatMap(([kind, ids]) => ids.map((id: number) => `${kind.slice(0, -1)} ${id}`)));
    left = left.filter((object) => all.has(object));
  }
  return left;
}

interface Outcome {
  readonly first: RecordingSample;
  readonly quarters: readonly (readonly RecordingSample[])[];
  readonly programs: number;
  readonly calls: readonly string[];
  /** Objects that are still in the kernel. */
  readonly left: readonly string[];
}

function report({ first, quarters, programs, calls, left }: Outcome): boolean {
  const [beginning = [], end = []] = [quarters[0], quarters.at(-1)];
  const samples = quarters.flat();
  const last = samples.at(-1) ?? first;
  const ratio = (of: (sample: RecordingSample) => number): number => mean(end, of) / mean(beginning, of);
  const heap = ratio(({ heapBytes }) => heapBytes);
  const resident = ratio(({ rssBytes }) => rssBytes);
  const unaccounted = Math.max(...samples.map(({ records, lost, counted }) => Math.abs(records + lost - counted)));
  const unopened = Math.max(...samples.map(({ opened, openedLost, openedCounted }) => Math.abs(opened + openedLost - openedCounted)));
  const checks: readonly (readonly [what: string, isGood: boolean])[] = [
    [`heap of the last quarter ${(heap * 100).toFixed(1)} % of the first (at most ${(MAX_RATIO * 100).toFixed(0)} %)`, heap <= MAX_RATIO],
    [`resident ${(resident * 100).toFixed(1)} % (at most ${(MAX_RESIDENT_RATIO * 100).toFixed(0)} %)`, resident <= MAX_RESIDENT_RATIO],
    [`descriptors ${first.descriptors} and ${last.descriptors}`, samples.every(({ descriptors }) => descriptors === first.descriptors)],
    [
      `programs, maps and links held ${first.objects.length} and ${last.objects.length}`,
      samples.every(({ objects }) => objects.join() === first.objects.join()),
    ],
    [`memory of the kernel ${mib(first.kernelBytes)} and ${mib(last.kernelBytes)} MiB`, last.kernelBytes === first.kernelBytes],
    [`${last.counted} happened = ${last.records} told + ${last.lost} lost, at worst ${unaccounted} apart`, unaccounted === 0],
    [
      `${last.openedCounted} files opened = ${last.opened} told + ${last.openedLost} lost, at worst ${unopened} apart`,
      unopened === 0 && last.openedLost > 0,
    ],
    [
      `${programs} programs started, ${last.programs} told, others among the lost`,
      last.programs <= programs && programs - last.programs <= last.lost,
    ],
    [`${calls.length} system calls in the profile, execve and openat among them`, calls.includes("execve") && calls.includes("openat")],
    [`${left.length} of ${last.objects.length} objects left in the kernel`, left.length === 0],
  ];
  for (const [what, isGood] of checks) console.log(`${isGood ? "ok    " : "FAILED"} ${what}`);
  return checks.every(([, isGood]) => isGood);
}
