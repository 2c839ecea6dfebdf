/** Loads the sensor with the policies that ship, and prints what it took: a process of its own, since the first time is what is measured. */
import { readKernelBtf } from "../../src/ebpf/kernel/kernel-btf.ts";
import { HOST } from "../../src/falco/syscall-event.ts";
import { Detector } from "../../src/sensor/detector.ts";
import { Sensor } from "../../src/sensor/sensor.ts";
import { readRuntimePack } from "../../test/sensor/runtime-pack.ts";

/** Milliseconds, as the process that asks reads them. */
export interface SensorStart {
  readonly cpuMs: number;
  readonly wallMs: number;
}

const policies = readRuntimePack();
const wall = performance.now();
const { user, system } = process.cpuUsage();
const sensor = new Sensor({
  btf: readKernelBtf(),
  lookups: { userName: () => null, groupName: () => null, container: () => HOST },
  detector: new Detector({ policies }),
});
sensor.watch({ events: policies.interest.events, calls: [], mayWatchCalls: true });
const spent = process.cpuUsage({ user, system });
const start: SensorStart = { cpuMs: (spent.user + spent.system) / 1000, wallMs: performance.now() - wall };
sensor[Symbol.dispose]();
process.stdout.write(JSON.stringify(start));
