/** Recordings: a program that is started, or workloads that run, watched until they end or enough is known. */
import { release } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { Cgroup } from "../linux/cgroup.ts";
import { architecture } from "../linux/native.ts";
import { SYSCALL_NAMES } from "../linux/syscall-numbers.ts";
import { withCalls } from "../target/seccomp/call-families.ts";
import { compileFilter } from "../target/seccomp/filter-compiler.ts";
import type { FilterInstruction } from "../target/seccomp/filter-instruction.ts";
import { type GuardOptions, observedAlternative } from "../target/seccomp/guarded-arguments.ts";
import { Observation } from "../target/seccomp/observation.ts";
import { EMPTY_PROFILE, type Profile, type Recording } from "../target/seccomp/profile.ts";
import { type ConfinedProgram, DEFAULT_PATH, findProgram } from "./confined-launch.ts";
import { type Launched, type LaunchOptions, launch } from "./launch.ts";
import { launchObserved, type ObservedCall, watchedPlan } from "./observed-program.ts";
import { PATH_CALLS, PathObserver } from "./path-observer.ts";
import type { RecorderTarget } from "./recorder-program.ts";
import { TracepointRecorder } from "./tracepoint-recorder.ts";

export interface RecordingOptions {
  /** Of the profile. */
  readonly name: string;
  /** How long a start takes: what is seen later is of the steady state. */
  readonly startUpMs: number;
  /** Ends the recording; what was seen by then is kept. */
  readonly signal: AbortSignal;
  /** Also ends it once the start is over and nothing new was seen for so long. */
  readonly quietMs?: number;
  /** Called with the profile so far, when it has grown. */
  readonly onProgress?: (profile: Profile) => void | Promise<void>;
}

export interface ProgramRecordingOptions extends RecordingOptions {
  readonly recorder: "tracepoint" | "notify";
  /** Files and ports, too; each such call then asks user space, which makes the program slower. */
  readonly withPaths: boolean;
  readonly openFlags: boolean;
  readonly isRoot: boolean;
  readonly launch: Omit<LaunchOptions, "onListener" | "onProcess" | "cgroup">;
  /** The program, once it runs. */
  readonly onLaunched?: (launched: Launched) => void;
}

/** Short enough that a run's order can be told, long enough to cost nothing. */
const POLL_MS = 100;

/** Records a program from its first instruction to its end. Throws what `launch` and `TracepointRecorder` throw. */
export async function recordProgram(program: ConfinedProgram, options: ProgramRecordingOptions): Promise<Profile> {
  return options.recorder === "tracepoint" ? recordByTracepoint(program, options) : recordByNotification(program, options);
}

const recordingOf = (subject: string, recorder: Recording["recorder"], startedAtMs: number): Omit<Recording, "lastNewMs" | "calls"> => ({
  subject,
  recorder,
  kernel: release(),
  durationMs: Math.round(performance.now() - startedAtMs),
});

const subjectOf = ({ command, args }: ConfinedProgram): string => [command, ...args].join(" ").slice(0, 200);

async function recordByTracepoint(program: ConfinedProgram, options: ProgramRecordingOptions): Promise<Profile> {
  const { cgroup } = Cgroup.create(`record-${Date.now()}-${process.pid}`, {});
  try {
    const { id } = cgroup;
    if (id === undefined) return await recordByNotification(program, options);
    using recorder = new TracepointRecorder([{ kind: "cgroup", id, slot: 0 }], options);
    const observation = new Observation();
    const startedAt = performance.now();
    const launched = await startWatched(program, options, observation, cgroup);
    const read = (): void => recorder.read(0, observation, performance.now() - startedAt);
    const makeProfile = (): Profile =>
      observation.profile(options.name, architecture(), recordingOf(subjectOf(program), "tracepoint", startedAt));
    await watch(launched.ended, options, observation, startedAt, {
      read,
      enterSteady: () => recorder.setPhase(0, "steady"),
      makeProfile,
    });
    await stopProgram(launched);
    read();
    return makeProfile();
  } finally {
    await cgroup.remove();
  }
}

/** With paths, the calls that have them are answered here; all others never leave the kernel. */
function startWatched(
  program: ConfinedProgram,
  options: ProgramRecordingOptions,
  observation: Observation,
  cgroup: Cgroup,
): Promise<Launched> {
  const { isRoot } = options;
  if (!options.withPaths) return launch(watchedPlan(program, undefined, isRoot), { ...options.launch, cgroup }).then(announce(options));
  const paths = new PathObserver(observation);
  paths.noteProgram(pathOf(program));
  const answer = (call: ObservedCall): { readonly kind: "continue" } => {
    paths.observe(call);
    return { kind: "continue" };
  };
  return launchObserved(program, { ...options.launch, cgroup, isRoot, filter: notifyFilter(PATH_CALLS), answer }).then(announce(options));
}

/** The launcher starts it, whose calls are not the program's. */
const pathOf = ({ command, environment, directory }: ConfinedProgram): string =>
  findProgram(command, environment["PATH"] ?? DEFAULT_PATH, directory);

const announce =
  ({ onLaunched }: ProgramRecordingOptions) =>
  (launched: Launched): Launched => {
    onLaunched?.(launched);
    return launched;
  };

/** A filter that lets everything through but sends these calls to its listener first. */
function notifyFilter(calls: Iterable<(typeof SYSCALL_NAMES)[number]>): readonly FilterInstruction[] {
  const notified = new Set(calls);
  const rest = SYSCALL_NAMES.filter((name) => !notified.has(name));
  return compileFilter(withCalls(EMPTY_PROFILE, rest, "seen"), {
    architecture: architecture(),
    otherwise: { kind: "notify" },
    unknown: { kind: "allow" },
    foreign: { kind: "allow" },
  });
}

async function recordByNotification(program: ConfinedProgram, options: ProgramRecordingOptions): Promise<Profile> {
  const observation = new Observation();
  const paths = options.withPaths ? new PathObserver(observation) : undefined;
  paths?.noteProgram(pathOf(program));
  const startedAt = performance.now();
  let phase: "start-up" | "steady" = "start-up";
  const answer = (call: ObservedCall): { readonly kind: "continue" } => {
    if (call.name !== undefined)
      observation.see(call.name, phase, performance.now() - startedAt, observedAlternative(call.name, call.args, options));
    paths?.observe(call);
    return { kind: "continue" };
  };
  const filter = notifyFilter(SYSCALL_NAMES);
  const launched = await launchObserved(program, { ...options.launch, isRoot: options.isRoot, filter, answer });
  options.onLaunched?.(launched);
  const makeProfile = (): Profile =>
    observation.profile(options.name, architecture(), recordingOf(subjectOf(program), "notify", startedAt));
  await watch(launched.ended, options, observation, startedAt, {
    read: () => undefined,
    enterSteady: () => {
      phase = "steady";
    },
    makeProfile,
  });
  await stopProgram(launched);
  return makeProfile();
}

/** Records workloads that run already, until told to stop. One profile for each name. */
export async function recordWorkloads(
  workloads: readonly { readonly name: string; readonly targets: readonly Omit<RecorderTarget, "slot">[] }[],
  options: Omit<RecordingOptions, "name" | "onProgress"> &
    GuardOptions & { readonly onProgress?: (profiles: readonly Profile[]) => void | Promise<void> },
): Promise<readonly Profile[]> {
  const targets = workloads.flatMap((workload, slot) => workload.targets.map((target) => ({ ...target, slot }) as RecorderTarget)); // a slot added to each
  // They run already: what they do from now on is their steady state.
  using recorder = new TracepointRecorder(targets, { ...options, phase: "steady" });
  const startedAt = performance.now();
  const observations = workloads.map(() => new Observation());
  const read = (): void => {
    for (const [slot, observation] of observations.entries()) recorder.read(slot, observation, performance.now() - startedAt);
  };
  const makeProfiles = (): readonly Profile[] =>
    observations.map((observation, slot) => {
      const name = workloads[slot]?.name ?? "";
      return observation.profile(name, architecture(), recordingOf(name, "tracepoint", startedAt));
    });
  let calls = 0;
  while (!options.signal.aborted) {
    await pause(POLL_MS, undefined, { signal: options.signal }).catch(() => undefined);
    read();
    const now = observations.reduce((sum, { callCount }) => sum + callCount, 0);
    if (now > calls) await options.onProgress?.(makeProfiles());
    calls = now;
    const newestMs = Math.max(...observations.map(({ lastNewMs }) => lastNewMs));
    if (options.quietMs !== undefined && performance.now() - startedAt - newestMs >= options.quietMs) break;
  }
  return makeProfiles();
}

interface Watched {
  readonly read: () => void;
  readonly enterSteady: () => void;
  readonly makeProfile: () => Profile;
}

/** Reads again and again until the program has ended, or the recording shall. */
async function watch(
  ended: Promise<unknown>,
  { signal, startUpMs, quietMs, onProgress }: RecordingOptions,
  observation: Observation,
  startedAt: number,
  { read, enterSteady, makeProfile }: Watched,
): Promise<void> {
  let isOver = false;
  const end = ended.finally(() => {
    isOver = true;
  });
  let isSteady = false;
  let calls = 0;
  while (!isOver && !signal.aborted) {
    await Promise.race([end, pause(POLL_MS)]);
    const atMs = performance.now() - startedAt;
    read();
    if (!isSteady && atMs >= startUpMs) {
      isSteady = true;
      enterSteady();
    }
    if (observation.callCount > calls) await onProgress?.(makeProfile());
    calls = observation.callCount;
    if (quietMs !== undefined && isSteady && atMs - observation.lastNewMs >= quietMs) return;
  }
}

const STOP_MS = 10_000;

/** A program that still runs at the end of its recording is asked to stop, which is part of what it does. */
async function stopProgram(launched: Launched): Promise<void> {
  launched.kill("SIGTERM");
  const stopping = new AbortController();
  const killing = pause(STOP_MS, undefined, { signal: stopping.signal, ref: false }).then(
    () => launched.kill("SIGKILL"),
    () => undefined,
  );
  await launched.ended;
  stopping.abort();
  await killing;
}
