/** A sensor for tests, and containers that are cgroups with a container's name. */
import { spawn } from "node:child_process";
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { readKernelBtf } from "../../src/ebpf/kernel/kernel-btf.ts";
import { type ContainerView, HOST, type SyscallEvent } from "../../src/falco/syscall-event.ts";
import { findContainer } from "../../src/identity/attestation/container-id.ts";
import { cgroup2Path } from "../../src/linux/mounts.ts";
import type { Detection, Detector } from "../../src/sensor/detector.ts";
import type { WantedEvents } from "../../src/sensor/event-sources.ts";
import { Sensor, type SensorOptions } from "../../src/sensor/sensor.ts";

const USERS: Readonly<Record<number, string>> = { 0: "root", 33: "www-data", 65534: "nobody" };

export const IMAGE = "docker.io/library/harmless";

export function containerOf(path: string): ContainerView {
  const found = findContainer({ cgroup: `0::${path}`, mountinfo: () => "", isAgentInContainer: false });
  if (found.kind !== "container") return HOST;
  const { containerId } = found.facts;
  return { ...HOST, id: containerId.slice(0, 12), fullId: containerId, name: "test", imageRepository: IMAGE, isPrivileged: true };
}

export interface Watched extends Disposable {
  readonly sensor: Sensor;
  readonly events: SyscallEvent[];
  readonly detections: Detection[];
  /** Waits until an event is there; throws after ten seconds. */
  until(what: string, holds: (event: SyscallEvent) => boolean): Promise<SyscallEvent>;
}

export function watch(
  options: Partial<SensorOptions> & {
    readonly calls?: readonly string[];
    readonly wanted?: WantedEvents;
    readonly detector?: Detector;
  } = {},
): Watched {
  const { calls = [], wanted, ...rest } = options;
  const events: SyscallEvent[] = [];
  const detections: Detection[] = [];
  const sensor = new Sensor({
    btf: readKernelBtf(),
    lookups: { userName: (uid) => USERS[uid] ?? null, groupName: () => null, container: containerOf },
    onEvent: (event) => events.push(event),
    onDetection: (detection) => detections.push(detection),
    ...rest,
  });
  if (wanted === undefined) sensor.watchCalls(calls);
  else sensor.watch(wanted);
  const until = async (what: string, holds: (event: SyscallEvent) => boolean): Promise<SyscallEvent> => {
    for (let attempt = 0; attempt < 200; attempt++) {
      sensor.drain();
      const found = events.find(holds);
      if (found !== undefined) return found;
      await pause(50);
    }
    throw new Error(`expected ${what}`);
  };
  return { sensor, events, detections, until, [Symbol.dispose]: () => sensor[Symbol.dispose]() };
}

/** A cgroup that is named as container runtimes name theirs. */
export class PretendedContainer implements Disposable {
  readonly path: string;

  constructor(id: string) {
    this.path = join(cgroup2Path() ?? "/sys/fs/cgroup", `docker-${id}.scope`);
    mkdirSync(this.path);
  }

  add(pid: number): void {
    writeFileSync(join(this.path, "cgroup.procs"), String(pid));
  }

  [Symbol.dispose](): void {
    rmdirSync(this.path);
  }
}

/** Runs a program, in a cgroup when one is given, and waits for its end. */
export async function run(
  program: string,
  args: readonly string[],
  options: { readonly cgroup?: string; readonly cwd?: string } = {},
): Promise<number> {
  const inside = ["-c", 'echo $$ > "$0/cgroup.procs"; shift 0; exec "$@"', options.cgroup ?? "", program, ...args];
  const child =
    options.cgroup === undefined
      ? spawn(program, args, { stdio: "ignore", cwd: options.cwd })
      : spawn("/bin/sh", inside, { stdio: "ignore", cwd: options.cwd });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once("exit", (code) => resolve(code ?? 128)).once("error", reject);
  return promise;
}
