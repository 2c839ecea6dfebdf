/**
 * The sensor: programs in the kernel tell what processes do; here their records become events, the table of processes, and findings.
 * What is told of processes is always on; system calls are told only while somebody needs them.
 */
import type { Btf } from "../ebpf/btf/btf.ts";
import { attachRawTracepoint } from "../ebpf/kernel/attach.ts";
import { type Collection, loadCollection } from "../ebpf/kernel/collection.ts";
import type { LoadedMap } from "../ebpf/kernel/loaded-map.ts";
import { lossCounter, RingReader } from "../ebpf/kernel/ring-reader.ts";
import { codecOf } from "../ebpf/layout-codec.ts";
import { type MapSpec, ringBuffer } from "../ebpf/map-spec.ts";
import type { ContainerView, ProcessView, SyscallEvent } from "../falco/syscall-event.ts";
import { cgroup2Path } from "../linux/mounts.ts";
import { architecture } from "../linux/native.ts";
import { syscallName, syscallNumber } from "../linux/syscall-numbers.ts";
import { type BootClock, readBootClock } from "./boot-clock.ts";
import { decodeCall } from "./call-event.ts";
import { CallWatch } from "./call-watch.ts";
import { CgroupPaths } from "./cgroup-paths.ts";
import type { Detection, Detector } from "./detector.ts";
import { type EventSources, sourcesOf, type WantedEvents } from "./event-sources.ts";
import { decodeHook } from "./hook-event.ts";
import { HookWatch, type WantedHooks } from "./hook-watch.ts";
import { credentialsOf, decodeExec, nameOf, placementOf, RecordTail } from "./process-records.ts";
import { readProcesses, readTasks } from "./process-seed.ts";
import { ProcessTable } from "./process-table.ts";
import type { CountedRing } from "./programs/assembly.ts";
import { callPrograms } from "./programs/call-programs.ts";
import { CALL_ROWS, type CallRing, type CallRow } from "./programs/call-table.ts";
import { type HookPrograms, hookPrograms, tellsCapabilities } from "./programs/hook-programs.ts";
import { type ProcessPrograms, processPrograms } from "./programs/process-programs.ts";
import {
  CALL_RECORD,
  CGROUP_RECORD,
  EXEC_RECORD,
  EXIT_RECORD,
  HOOK_RECORD,
  RECORD_FLAG,
  RECORD_KIND,
  RECORD_TIME_OFFSET,
  TASK_RECORD,
  type TaskFacts,
} from "./programs/record-layouts.ts";
import { RecentAttempts } from "./recent-attempts.ts";
import { textUntilZero } from "./record-text.ts";
import { keyOfFile, refusedFiles } from "./refused-files.ts";

/** What is looked up elsewhere; each must answer at once, from memory. */
export interface SensorLookups {
  readonly userName: (uid: number, mountNamespace: number) => string | null;
  readonly groupName: (gid: number, mountNamespace: number) => string | null;
  /** What a cgroup of version 2 is, by its path (empty when unknown) and id: `HOST` when it is no container's. */
  readonly container: (path: string, cgroupId: string) => ContainerView;
  /** A name that was resolved to the address. */
  readonly remoteName?: (ip: string) => string | null;
}

export interface SensorOptions {
  readonly btf: Btf;
  readonly lookups: SensorLookups;
  readonly detector?: Detector;
  /** Each event, after the table of processes has been told. */
  readonly onEvent?: (event: SyscallEvent) => void;
  readonly onDetection?: (detection: Detection, event: SyscallEvent) => void;
  /** So many records of a ring were lost since it was said before. */
  readonly onLoss?: (ring: CallRing, count: number) => void;
  readonly clock?: BootClock;
  /** Bytes of each ring, a power of two. */
  readonly ringBytes?: number;
  /** The process that calls are not told of. Default: this one. */
  readonly ownPid?: number;
}

export interface SensorCounts {
  readonly events: number;
  /** Read from all rings; with what was lost, all that the kernel had to tell. */
  readonly records: number;
  readonly processes: number;
  readonly losses: Readonly<Record<CallRing, number>>;
  readonly refused: number;
  readonly isWatchingCalls: boolean;
}

/** All of a ring is resident, twice, as it is mapped. Each holds what comes in half a second of a storm. */
const RING_BYTES: Readonly<Record<CallRing, number>> = { process: 1 << 22, file: 1 << 22, network: 1 << 20 };
/** After a loss; in a storm there are many. */
const RECONCILE_MS = 5_000;

const countedRing = (name: string, sizeBytes: number): CountedRing => ({
  ring: ringBuffer(`${name}_records`, { sizeBytes }),
  losses: lossCounter(`${name}_lost`),
});

/** Events that come from the scheduler, under the names of their calls. */
const SCHEDULER_CALLS: ReadonlySet<string> = new Set(["execve", "execveat", "clone", "clone3", "fork", "vfork", "procexit"]);

function rowsByNumber(names: readonly string[]): ReadonlyMap<number, CallRow> {
  const machine = architecture();
  const rows = names.flatMap((name) => CALL_ROWS.get(name) ?? []);
  return new Map(
    rows.flatMap((row) => {
      const number = syscallNumber(row.name, machine);
      return number === undefined ? [] : [[number, row] as const];
    }),
  );
}

const areOthers = (known: ProcessView, task: TaskFacts): boolean =>
  known.euid !== task.euid || known.uid !== task.uid || known.egid !== task.egid || known.capEffective !== task.capEffective;

export class Sensor implements Disposable {
  readonly table: ProcessTable;
  readonly cgroups: CgroupPaths;
  readonly #options: SensorOptions;
  readonly #clock: BootClock;
  readonly #owned: DisposableStack;
  readonly #programs: ProcessPrograms;
  readonly #collection: Collection;
  readonly #rings: Readonly<Record<CallRing, CountedRing>>;
  readonly #reader: RingReader;
  #calls: CallWatch | undefined;
  #hooks: HookWatch | undefined;
  /** Of the hooks that are attached. */
  #hooksKey = "[[],[]]";
  #hookPrograms: HookPrograms | undefined;
  #attemptByNumber: ReadonlyMap<number, CallRow> = new Map();
  readonly #attempts = new RecentAttempts();
  #reconciling: NodeJS.Timeout | undefined;
  #rowByNumber: ReadonlyMap<number, CallRow> = new Map();
  #events = 0;
  #records = 0;
  #refused = 0;
  readonly #told: Record<CallRing, number> = { process: 0, file: 0, network: 0 };
  readonly #codecs = {
    exec: codecOf(EXEC_RECORD),
    task: codecOf(TASK_RECORD),
    exit: codecOf(EXIT_RECORD),
    cgroup: codecOf(CGROUP_RECORD),
    call: codecOf(CALL_RECORD),
    hook: codecOf(HOOK_RECORD),
  };

  /** Loads and attaches what is always on. Throws `EBPF_PRIVILEGE`, `EBPF_VERIFIER`, `EBPF_BTF_NAME` or `LINUX_CALL`. */
  constructor(options: SensorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? readBootClock();
    this.cgroups = CgroupPaths.read();
    const { userName, groupName, container } = options.lookups;
    this.table = new ProcessTable({
      bootId: this.#clock.bootId,
      lookups: { userName, groupName, container: (cgroupId) => container(this.cgroups.pathOf(cgroupId), cgroupId) },
    });
    this.#rings = {
      process: countedRing("process", options.ringBytes ?? RING_BYTES.process),
      file: countedRing("file", options.ringBytes ?? RING_BYTES.file),
      network: countedRing("network", options.ringBytes ?? RING_BYTES.network),
    };
    this.#programs = processPrograms(options.btf, this.#rings.process);
    const { exec, fork, exit, moved, cgroup, tasks } = this.#programs;
    using starting = new DisposableStack();
    const always = [this.#rings.process, this.#rings.network];
    const maps = always.flatMap(({ ring, losses }) => [ring, losses] as readonly MapSpec[]);
    this.#collection = starting.use(loadCollection({ programs: [exec, fork, exit, moved, cgroup, tasks], maps }));
    this.#reader = starting.use(
      new RingReader(
        always.map(({ ring, losses }) => ({
          map: this.#collection.map(ring),
          losses: this.#collection.perCpu(losses),
          onRecord: (data, offset, size) => this.#read(data, offset, size),
        })),
        { orderedBy: RECORD_TIME_OFFSET, onLoss: (count, map) => this.#tellLoss(this.#ringOf(map), count) },
      ),
    );
    for (const program of [fork, exec, exit, moved, cgroup]) starting.use(attachRawTracepoint(this.#collection.program(program)));
    // Whoever is forked from now on is told of, so that nobody is missed between the two.
    this.table.seed(readProcesses(this.#collection.program(tasks), this.#clock.bootNs));
    this.#reader.resume();
    this.#owned = starting.move();
  }

  get counts(): SensorCounts {
    const lossesOf = (name: CallRing): number => {
      const { losses } = this.#rings[name];
      const owner = name === "file" ? this.#calls?.collection : this.#collection;
      return owner === undefined
        ? this.#told[name]
        : (owner
            .perCpu(losses)
            .get(0)
            ?.reduce((sum, count) => sum + count, 0) ?? 0);
    };
    return {
      events: this.#events,
      records: this.#records,
      processes: this.table.size,
      losses: { process: lossesOf("process"), file: lossesOf("file"), network: lossesOf("network") },
      refused: this.#refused,
      isWatchingCalls: this.#calls !== undefined,
    };
  }

  /**
   * What to tell of from now on, from the sources that cost the least; the scheduler's events are always told. Returns which sources
   * those are. Throws as the constructor does.
   */
  watch(wanted: WantedEvents): EventSources {
    const sources = sourcesOf({
      ...wanted,
      tellsCapabilities: tellsCapabilities(this.#options.btf),
      hasCgroups: cgroup2Path() !== undefined,
    });
    this.#watchHooks(sources);
    this.watchCalls(sources.calls);
    return sources;
  }

  /** System calls to tell of from now on, by name; those that it cannot tell of are returned. None: nothing is attached to calls. */
  watchCalls(names: readonly string[]): readonly string[] {
    this.#rowByNumber = rowsByNumber(names);
    if (this.#rowByNumber.size === 0) {
      this.#calls?.[Symbol.dispose]();
      this.#calls = undefined;
    } else {
      this.#calls ??= this.#openCalls();
      this.#calls.select(this.#rowByNumber);
    }
    return names.filter((name) => !CALL_ROWS.has(name) && !SCHEDULER_CALLS.has(name));
  }

  #watchHooks({ hooks, attempts }: EventSources): void {
    const key = JSON.stringify([[...hooks].sort(), [...attempts].sort()]);
    if (key === this.#hooksKey) return;
    const before = this.#hooks;
    const attemptByNumber = rowsByNumber(attempts);
    this.#hooks = hooks.size === 0 && attemptByNumber.size === 0 ? undefined : this.#openHooks({ hooks, attempts: attemptByNumber });
    this.#attemptByNumber = attemptByNumber;
    this.#hooksKey = key;
    // The new ones were there first: nothing is missed between the two.
    before?.[Symbol.dispose]();
  }

  #openHooks(wanted: WantedHooks): HookWatch {
    this.#hookPrograms ??= hookPrograms(this.#options.btf, architecture(), this.#rings);
    return new HookWatch(this.#hookPrograms, this.#givenRings(), wanted, this.#ownPid);
  }

  /** Tells of calls in these cgroups (ids of version 2) alone; of all when absent. */
  limitCalls(cgroups: readonly bigint[] | undefined): void {
    this.#calls?.limit(cgroups);
  }

  /**
   * Exactly these files are not started from now on, under any name, nor is anything below these directories, as far as they are one file
   * system: who executes one is killed before its first instruction. At most 4,096; returns those for which there was no room, which cannot be
   * found, or without which neither this program nor init could be started.
   */
  setRefused(paths: readonly string[]): readonly string[] {
    const map = this.#collection.keyed(this.#programs.refused);
    const { wanted, left } = refusedFiles(paths);
    for (const [known] of [...map.entries()]) if (!wanted.delete(keyOfFile(known))) map.delete(known);
    for (const file of wanted.values()) map.set(file, 1);
    this.#collection.keyed(this.#programs.isRefusing).set(0, paths.length > left.length ? 1 : 0);
    return left;
  }

  /** Reads what is there now, without waiting for the kernel to wake this process. */
  drain(): void {
    this.#reader.drain();
  }

  [Symbol.dispose](): void {
    this.#hooks?.[Symbol.dispose]();
    this.#hooks = undefined;
    this.#calls?.[Symbol.dispose]();
    this.#calls = undefined;
    this.#owned.dispose();
    // Last, since losses that were not told yet have just been.
    clearTimeout(this.#reconciling);
  }

  #openCalls(): CallWatch {
    return new CallWatch(callPrograms(this.#options.btf, architecture(), this.#rings), this.#givenRings(), this.#rings.file, {
      ownPid: this.#ownPid,
      reader: this.#reader,
      onRecord: (data, offset, size) => this.#read(data, offset, size),
    });
  }

  /** The rings that are always there, for programs that are not. */
  #givenRings(): ReadonlyMap<MapSpec, LoadedMap> {
    const specs = [this.#rings.process, this.#rings.network].flatMap(({ ring, losses }) => [ring, losses] as readonly MapSpec[]);
    return new Map(specs.map((spec) => [spec, this.#collection.map(spec)]));
  }

  get #ownPid(): number {
    return this.#options.ownPid ?? process.pid;
  }

  #ringOf({ spec }: LoadedMap): CallRing {
    return spec === this.#rings.file.ring ? "file" : spec === this.#rings.network.ring ? "network" : "process";
  }

  #tellLoss(ring: CallRing, count: number): void {
    this.#told[ring] += count;
    if (ring === "process") this.#reconciling ??= setTimeout(() => this.#reconcile(), RECONCILE_MS).unref();
    this.#options.onLoss?.(ring, count);
  }

  /** Whose end was lost would stay in the table for ever. What is in it was told before the kernel is asked now. */
  #reconcile(): void {
    this.#reconciling = undefined;
    const living = new Map(readTasks(this.#collection.program(this.#programs.tasks)).map(({ pid, start }) => [pid, start]));
    this.table.endOthers((pid, startNs) => living.get(pid) === startNs - this.#clock.bootNs);
  }

  // ── records ─────────────────────────────────────────────────────────────

  #read(data: DataView, offset: number, sizeBytes: number): void {
    this.#records += 1;
    const kind = data.getUint32(offset, true);
    if (kind === RECORD_KIND.call) this.#call(data, offset, sizeBytes);
    else if (kind === RECORD_KIND.exec) this.#exec(data, offset, sizeBytes);
    else if (kind === RECORD_KIND.fork) this.#fork(data, offset);
    else if (kind === RECORD_KIND.exit) this.#exit(data, offset);
    else if (kind === RECORD_KIND.hook) this.#hook(data, offset);
    else if (kind === RECORD_KIND.moved) {
      const { task } = this.#codecs.task.decode(data, offset);
      this.table.setPlacement(task.pid, { cgroupId: String(task.cgroup) });
    } else if (kind === RECORD_KIND.cgroup) {
      const record = this.#codecs.cgroup.decode(data, offset);
      const tail = new RecordTail(data, offset + CGROUP_RECORD.size, sizeBytes - CGROUP_RECORD.size);
      this.cgroups.add(String(record.id), textUntilZero(tail.take(Number(record.pathLength))));
    }
  }

  #exec(data: DataView, offset: number, sizeBytes: number): void {
    const record = this.#codecs.exec.decode(data, offset);
    const { event, fileName, isRefused } = decodeExec(record, data, offset, sizeBytes, this.#clock.bootNs);
    this.#know(event.parentPid);
    const caller = this.table.exec(event);
    if (isRefused) this.#refused += 1;
    const args = { filename: fileName, flags: 0, ...(isRefused ? { refused: 1 } : {}) };
    this.#emit({ type: "execve", timeNs: event.timeNs, result: 0, caller, args });
  }

  #fork(data: DataView, offset: number): void {
    const { task, time } = this.#codecs.task.decode(data, offset);
    this.#know(task.parentPid);
    const startNs = this.#clock.bootNs + task.start;
    const caller = this.table.fork({ pid: task.pid, parentPid: task.parentPid, startNs, placement: placementOf(task) });
    // A child begins with what its parent has become since its own program was started.
    if (areOthers(caller, task)) {
      const credentials = credentialsOf(task);
      this.table.setCredentials(task.parentPid, credentials);
      this.table.setCredentials(task.pid, credentials);
    }
    this.#emit({ type: "clone", timeNs: this.#clock.bootNs + time, result: 0, caller, args: { flags: 0, pid: task.pid } });
  }

  #exit(data: DataView, offset: number): void {
    const { pid, time, start, exitCode } = this.#codecs.exit.decode(data, offset);
    const caller = this.table.find(pid);
    if (caller === undefined || caller.startNs !== this.#clock.bootNs + start) return;
    const args = { status: exitCode, ret: (exitCode >> 8) & 0xff, sig: exitCode & 0x7f, core: (exitCode >> 7) & 1 };
    this.#emit({ type: "procexit", timeNs: this.#clock.bootNs + time, result: args.ret, caller, args });
    this.table.exit(pid);
  }

  #call(data: DataView, offset: number, sizeBytes: number): void {
    const record = this.#codecs.call.decode(data, offset);
    const isAttempt = (record.flags & RECORD_FLAG.isAttempt) !== 0;
    const row = (isAttempt ? this.#attemptByNumber : this.#rowByNumber).get(record.number);
    if (row === undefined || (isAttempt && this.#attempts.isRepeated(record))) return;
    const { bootNs } = this.#clock;
    const { task } = record;
    const caller = this.#callerOf(task, bootNs + record.time);
    const { userName, remoteName } = this.#options.lookups;
    const event = decodeCall(record, data, offset, sizeBytes, {
      row,
      caller,
      eventNumber: this.#events + 1,
      bootNs,
      userName: (uid) => userName(uid, task.mountNamespace),
      remoteName: remoteName ?? (() => null),
    });
    this.#emit(event);
  }

  #hook(data: DataView, offset: number): void {
    const record = this.#codecs.hook.decode(data, offset);
    const { task } = record;
    const timeNs = this.#clock.bootNs + record.time;
    const remoteName = this.#options.lookups.remoteName ?? (() => null);
    const callName = (number: number): string => syscallName(number, architecture()) ?? String(number);
    const decoded = decodeHook(record, { callName, remoteName });
    if (decoded === undefined || task.pid === this.#ownPid) return;
    this.#emit({ ...decoded, timeNs, caller: this.#callerOf(task, timeNs) });
  }

  /** Who called, with what has changed since its program was started. */
  #callerOf(task: TaskFacts, timeNs: bigint): ProcessView {
    const startNs = this.#clock.bootNs + task.start;
    const known = this.table.findAt(task.pid, timeNs);
    if (known === undefined || known.startNs !== startNs) return this.#adopt(task, timeNs);
    if (areOthers(known, task)) this.table.setCredentials(task.pid, credentialsOf(task));
    if (known.sid !== task.sid || known.tty !== task.tty || known.pgid !== task.pgid) this.table.setPlacement(task.pid, placementOf(task));
    return known;
  }

  /** A process that nobody told of: its record was lost. It is read from the system, or at least named. */
  #adopt(task: TaskFacts, timeNs: bigint): ProcessView {
    const startNs = this.#clock.bootNs + task.start;
    this.#know(task.pid);
    const found = this.table.find(task.pid);
    if (found !== undefined && found.startNs === startNs) return found;
    return this.table.execEnded({
      pid: task.pid,
      startNs,
      timeNs,
      parentPid: task.parentPid,
      name: nameOf(task),
      exePath: "",
      argv: [],
      cwd: "",
      credentials: credentialsOf(task),
      placement: placementOf(task),
    });
  }

  #know(pid: number): void {
    if (pid === 0 || this.table.find(pid) !== undefined) return;
    this.table.seed(readProcesses(this.#collection.program(this.#programs.tasks), this.#clock.bootNs, pid));
  }

  #emit(event: Omit<SyscallEvent, "number" | "cpu" | "fd"> & Partial<SyscallEvent>): void {
    this.#events += 1;
    const whole: SyscallEvent = { cpu: 0, fd: null, ...event, number: this.#events };
    this.#options.onEvent?.(whole);
    const { detector, onDetection } = this.#options;
    if (detector === undefined) return;
    for (const detection of detector.judge(whole)) onDetection?.(detection, whole);
  }
}
