/** Loading, attaching, replacing and detaching any number of times leaves nothing behind. */
import { mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { attachCgroup } from "../../src/ebpf/kernel/attach.ts";
import { Attributes, bpf } from "../../src/ebpf/kernel/bpf-command.ts";
import { loadCollection } from "../../src/ebpf/kernel/collection.ts";
import { readMapInfo, readProgramInfo } from "../../src/ebpf/kernel/object-info.ts";
import { RingReader } from "../../src/ebpf/kernel/ring-reader.ts";
import { ringBuffer } from "../../src/ebpf/map-spec.ts";
import { cgroup2Path } from "../../src/linux/mounts.ts";
import { closeDescriptor } from "../../src/linux/native.ts";
import { countingProgram, hits } from "./counting-program.ts";

const CYCLES = 1000;
const path = join(cgroup2Path() ?? "", `vigil-cycles-${process.pid}`);
beforeAll(() => void mkdirSync(path));
afterAll(() => rmdirSync(path));

const hook = { type: "cgroup_sock_addr", expectedAttachType: "cgroup_inet4_connect" } as const;

/** Whether the kernel still has an object of an id. It frees them a moment after the last holder closes. */
function exists(command: "programById" | "mapById", id: number): boolean {
  const { value } = bpf(command, new Attributes().u32(0, id));
  if (value !== -1) closeDescriptor(value);
  return value !== -1;
}

test(`${CYCLES} cycles of load, attach, replace, read and detach leave no descriptor, mapping or object`, async () => {
  const counter = hits();
  const ring = ringBuffer("ring", { sizeBytes: 4096 });
  const programs = ["old", "new"].map((name) => countingProgram(counter, 1, { ...hook, name }));
  const [first, second] = programs;
  if (first === undefined || second === undefined) throw new TypeError("expected two programs");
  const ids: { readonly programs: number[]; readonly maps: number[] } = { programs: [], maps: [] };
  const cycle = (): void => {
    using collection = loadCollection({ programs, maps: [ring] });
    using link = attachCgroup(collection.program(first), path);
    using reader = new RingReader([{ map: collection.map(ring), onRecord: () => {} }]);
    reader.resume();
    expect(link.update(collection.program(second), collection.program(first))).toBe(true);
    ids.programs.push(readProgramInfo(collection.program(second).fd).id);
    ids.maps.push(readMapInfo(collection.map(counter).fd).id);
  };
  cycle();
  const descriptors = readdirSync("/proc/self/fd").length;
  const mappings = readdirSync("/proc/self/map_files").length;
  for (let count = 1; count < CYCLES; count++) cycle();
  expect(readdirSync("/proc/self/fd")).toHaveLength(descriptors);
  // The heap grows and shrinks by some mappings; a leak would be three for each cycle.
  expect(readdirSync("/proc/self/map_files").length).toBeLessThan(mappings + CYCLES / 2);
  await expect.poll(() => ids.programs.filter((id) => exists("programById", id)), { timeout: 10_000 }).toEqual([]);
  await expect.poll(() => ids.maps.filter((id) => exists("mapById", id)), { timeout: 10_000 }).toEqual([]);
}, 60_000);
