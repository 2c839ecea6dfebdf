/** BPF ring buffers into JavaScript: what reading a record costs, and what arrives when the kernel writes as fast as it can. */
import { setImmediate as turn } from "node:timers/promises";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { socketFilterProgram } from "../../src/ebpf/builder/program.ts";
import { type Collection, loadCollection } from "../../src/ebpf/kernel/collection.ts";
import { KernelProgram, testRun } from "../../src/ebpf/kernel/program.ts";
import { lossCounter, RingReader } from "../../src/ebpf/kernel/ring-reader.ts";
import { array, type StructLayout, struct, u32, u64AsNumber } from "../../src/ebpf/layout.ts";
import { codecOf } from "../../src/ebpf/layout-codec.ts";
import { type MapSpec, ringBuffer } from "../../src/ebpf/map-spec.ts";
import type { ProgramSpec } from "../../src/ebpf/program-spec.ts";
import { cpuNs, median } from "../measure.ts";
import type { Section, Target } from "../report.ts";

const RING_BYTES = 1 << 24;
const ROUNDS = 9;
const CONCURRENT_RECORDS = 4_000_000;
const CHUNK = 20_000;
const PACKET = new Uint8Array(64);

interface Sample {
  readonly time: number;
  readonly pid: number;
  readonly uid: number;
}

const layoutOf = (words: number): StructLayout<Sample & { readonly data: readonly number[] }> =>
  struct("Sample", { time: u64AsNumber, pid: u32, uid: u32, data: array(u32, words) });

interface Setup {
  readonly name: string;
  readonly sizeBytes: number;
  readonly ring: MapSpec<never, unknown>;
  readonly losses: MapSpec<number, number>;
  readonly program: ProgramSpec;
  readonly goal: number;
}

function setUp(name: string, layout: StructLayout, goal: number): Setup {
  const ring = ringBuffer("ring", { record: layout, sizeBytes: RING_BYTES });
  const losses = lossCounter("lost");
  const program = socketFilterProgram("generate", {}, (code) => {
    code.reserve(
      ring,
      (record) => {
        record.clear();
        record.as(u64AsNumber).setValue(code.call("ktime_get_ns"));
        record.submit();
      },
      () => code.ifNonNull(code.lookup(losses, 0), (lost) => lost.incrementValue()),
    );
    code.return(0);
  });
  return { name, sizeBytes: layout.size, ring, losses, program, goal };
}

const Small = struct("Small", { time: u64AsNumber, pid: u32, uid: u32 });
const SETUPS = (): readonly Setup[] => [
  setUp("16 bytes", Small, 2e6),
  setUp("64 bytes", layoutOf(12), 1e6),
  setUp("96 bytes", layoutOf(20), 1e6),
];

/** A reader that decodes each record into one object and uses it. */
function openReader(
  collection: Collection,
  { ring, losses }: Setup,
): { readonly reader: RingReader; readonly seen: { count: number; sum: number } } {
  const layout = ring.value;
  if (layout === undefined) throw new TypeError("expected a layout");
  const codec = codecOf(layout);
  const into = codec.create();
  const seen = { count: 0, sum: 0 };
  const onRecord = (data: DataView, offset: number): void => {
    const { time } = codec.decodeInto(data, offset, into) as Sample;
    seen.count++;
    seen.sum += time;
  };
  return { reader: new RingReader([{ map: collection.map(ring), losses: collection.perCpu(losses), onRecord }]), seen };
}

/** Nanoseconds of CPU per record: the kernel fills the ring, then it is read. */
function readingCost(setup: Setup): number {
  using collection = loadCollection({ programs: [setup.program] });
  const { reader } = openReader(collection, setup);
  using _reader = reader;
  const repeat = Math.floor(RING_BYTES / (setup.sizeBytes + 8)) - 1;
  const samples: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    testRun(collection.program(setup.program), { data: PACKET, repeat });
    const start = cpuNs();
    const count = reader.drain();
    if (count !== repeat) throw new Error(`expected ${repeat} records, got ${count}`);
    // The first round compiles.
    if (round > 0) samples.push((cpuNs() - start) / count);
  }
  return median(samples);
}

interface Concurrent {
  readonly perSecond: number;
  readonly lost: number;
  readonly unaccounted: number;
}

/** A thread has the kernel write without a pause, while this one reads. */
async function concurrently(setup: Setup): Promise<Concurrent> {
  using collection = loadCollection({ programs: [setup.program] });
  const { reader, seen } = openReader(collection, setup);
  using _reader = reader;
  reader.resume();
  const worker = new Worker(import.meta.filename, {
    workerData: { fd: collection.program(setup.program).fd, records: CONCURRENT_RECORDS },
  });
  const ended = new Promise<void>((resolve, reject) => worker.once("exit", () => resolve()).once("error", reject));
  let isRunning = true;
  void ended.finally(() => {
    isRunning = false;
  });
  await new Promise((resolve) => worker.once("message", resolve));
  const start = process.hrtime.bigint();
  while (isRunning) await turn();
  await ended;
  reader.drain();
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const lost = reader.lossesOf(collection.map(setup.ring));
  return { perSecond: seen.count / seconds, lost, unaccounted: CONCURRENT_RECORDS - seen.count - lost };
}

export async function ring(): Promise<Section> {
  const rows: string[][] = [];
  const targets: Target[] = [];
  for (const setup of SETUPS()) {
    const ns = readingCost(setup);
    const { perSecond, lost, unaccounted } = await concurrently(setup);
    rows.push([setup.name, ns.toFixed(0), (1e3 / ns).toFixed(2), (perSecond / 1e6).toFixed(2), String(lost), String(unaccounted)]);
    targets.push(
      {
        what: `records of ${setup.name} read and decoded per second`,
        goal: `≥ ${setup.goal / 1e6} M`,
        value: 1e9 / ns,
        met: 1e9 / ns >= setup.goal,
      },
      { what: `records of ${setup.name} neither read nor counted as lost`, goal: "0", value: unaccounted, met: unaccounted === 0 },
    );
  }
  return {
    title: "Ring buffer into JavaScript",
    notes: [
      "Each record is decoded by its layout into one object that is used again. *Reading* is CPU of this process, with the ring filled before by `BPF_PROG_TEST_RUN`.",
      "*Under load* a thread has the kernel write as fast as it can on the same shared cores, time and counter included; what finds no room is counted in the kernel.",
    ],
    columns: ["record", "reading, ns", "reading, M/s", "under load, M/s", "lost", "unaccounted"],
    rows,
    targets,
  };
}

if (!isMainThread && parentPort !== null) {
  const { fd, records } = workerData as { readonly fd: number; readonly records: number };
  // Descriptors belong to the whole process; the main thread owns this one.
  const [setup] = SETUPS();
  if (setup === undefined) throw new TypeError("expected a program");
  const program = new KernelProgram(setup.program, fd);
  parentPort.postMessage("ready");
  for (let left = records; left > 0; left -= CHUNK) testRun(program, { data: PACKET, repeat: Math.min(CHUNK, left) });
}
