/** Reads a ring in a process or in a thread of it, and ends in the way that it is told. */
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { createMap } from "../../src/ebpf/kernel/loaded-map.ts";
import { RingReader } from "../../src/ebpf/kernel/ring-reader.ts";
import { ringBuffer } from "../../src/ebpf/map-spec.ts";

function read(): RingReader {
  const map = createMap(ringBuffer("ring", { sizeBytes: 4096 }));
  const reader = new RingReader([{ map, onRecord: () => {} }]);
  reader.resume();
  return reader;
}

const startWorker = (argument: string): Worker => new Worker(import.meta.filename, { argv: [argument] });

const [, , way] = process.argv;
if (!isMainThread) {
  read();
  parentPort?.postMessage("reading");
  if (way === "exit") setTimeout(() => process.exit(), 10);
} else if (way === "exit") {
  read();
  setTimeout(() => process.exit(7), 10);
} else if (way === "unref") {
  read().unref();
} else if (way === "exit beside a thread") {
  startWorker("wait").once("message", () => process.exit(7));
} else if (way === "terminate a thread") {
  const worker = startWorker("wait");
  worker.once("message", () => worker.terminate().then(() => process.exit(7)));
} else if (way === "a thread that exits") {
  startWorker("exit").once("exit", () => process.exit(7));
}
