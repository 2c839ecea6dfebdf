/** `vigil profile record`: what programs and workloads need. */
import { tmpdir } from "node:os";
import { basename } from "node:path";
import type { LaunchEnd, Launched } from "../../confine/launch.ts";
import { type ProgramRecordingOptions, recordProgram, recordWorkloads } from "../../confine/recording.ts";
import { findWorkload, type Workload, type WorkloadRequest } from "../../confine/workload.ts";
import { VigilError } from "../../lib/error.ts";
import { effectiveCapabilities } from "../../linux/capabilities.ts";
import { withCompatibility } from "../../target/seccomp/call-families.ts";
import { mergeProfiles } from "../../target/seccomp/combination.ts";
import type { Profile } from "../../target/seccomp/profile.ts";
import { EXIT, type Invocation } from "../command.ts";
import { exitCode, forwardSignals } from "../run/run.ts";
import { profileText, writeOutput } from "./profile-file.ts";
import { showSummary } from "./summary.ts";

export type RecordErrorCode = "RECORD_NOTHING";

export interface RecordFlags {
  readonly output: string | undefined;
  readonly name: string | undefined;
  readonly pid: readonly string[];
  readonly cgroup: readonly string[];
  readonly container: readonly string[];
  readonly for: number | undefined;
  readonly quiet: number | undefined;
  readonly "start-up": number;
  readonly by: string;
  readonly paths: boolean;
  readonly "open-flags": boolean;
  readonly exact: boolean;
}

export async function recordProfile(invocation: Invocation, flags: RecordFlags): Promise<number> {
  const requests = requestsOf(flags);
  const [command] = invocation.operands;
  if ((command === undefined) === (requests.length === 0))
    throw new VigilError<RecordErrorCode>("RECORD_NOTHING", "expected a command after `--`, or --pid, --cgroup or --container", {
      hint: "`vigil help profile record` has examples",
    });
  const limit = flags.for === undefined ? [] : [AbortSignal.timeout(flags.for)];
  if (command !== undefined) return recordCommand(invocation, command, flags, AbortSignal.any(limit));
  const workloads = requests.map(findWorkload);
  const signal = AbortSignal.any([...limit, invocation.interruption()]);
  return recordRunning(invocation, workloads, flags, signal);
}

const requestsOf = ({ pid, cgroup, container }: RecordFlags): readonly WorkloadRequest[] => [
  ...pid.map((text): WorkloadRequest => ({ kind: "process", text })),
  ...cgroup.map((text): WorkloadRequest => ({ kind: "cgroup", text })),
  ...container.map((text): WorkloadRequest => ({ kind: "container", text })),
];

async function recordCommand(invocation: Invocation, command: string, flags: RecordFlags, signal: AbortSignal): Promise<number> {
  const { operands, environment, terminal } = invocation;
  const recorder = recorderFor(flags.by, terminal);
  let launched: Launched | undefined;
  let stopForwarding: (() => void) | undefined;
  const options: ProgramRecordingOptions = {
    name: flags.name ?? basename(command),
    startUpMs: flags["start-up"],
    signal,
    ...(flags.quiet !== undefined && { quietMs: flags.quiet }),
    onProgress: (profile) => saveProgress(profile, flags, invocation),
    recorder,
    withPaths: flags.paths,
    openFlags: flags["open-flags"],
    isRoot: process.getuid?.() === 0,
    launch: { scratchDirectory: tmpdir() },
    onLaunched: (started) => {
      launched = started;
      stopForwarding = forwardSignals(started);
    },
  };
  try {
    const profile = finished(
      await recordProgram({ command, args: operands.slice(1), environment, directory: process.cwd() }, options),
      flags,
    );
    await report([profile], flags, invocation);
    const end: LaunchEnd | undefined = await launched?.ended;
    // A server is ended by the end of its recording.
    return end === undefined || exitCode(end) === 0 || end.kind === "killed" ? EXIT.yes : EXIT.no;
  } finally {
    stopForwarding?.();
  }
}

/** In the kernel where this process may load programs. */
function recorderFor(by: string, terminal: Invocation["terminal"]): "tracepoint" | "notify" {
  if (by === "tracepoint" || by === "notify") return by;
  const own = effectiveCapabilities();
  const missing = (["CAP_BPF", "CAP_PERFMON"] as const).filter((name) => !own.has(name) && !own.has("CAP_SYS_ADMIN"));
  if (missing.length === 0) return "tracepoint";
  terminal.note(
    `note: without ${missing.join(" and ")} every call asks Vigil, which makes the program slow; as root the kernel records by itself`,
  );
  return "notify";
}

async function recordRunning(
  invocation: Invocation,
  workloads: readonly Workload[],
  flags: RecordFlags,
  signal: AbortSignal,
): Promise<number> {
  const named = workloads.map((workload) => ({ ...workload, name: flags.name ?? workload.name }));
  const profiles = await recordWorkloads(named, {
    startUpMs: 0,
    signal,
    openFlags: flags["open-flags"],
    ...(flags.quiet !== undefined && { quietMs: flags.quiet }),
    onProgress: (current) => saveProgress(mergeProfiles(current), flags, invocation),
  });
  await report(
    profiles.map((profile) => finished(profile, flags)),
    flags,
    invocation,
  );
  return EXIT.yes;
}

const finished = (profile: Profile, { exact }: RecordFlags): Profile => (exact ? profile : withCompatibility(profile));

async function saveProgress(profile: Profile, flags: RecordFlags, { terminal }: Invocation): Promise<void> {
  if (flags.output !== undefined && flags.output !== "-") await writeOutput(profileText(finished(profile, flags)), flags.output, terminal);
}

/** Several workloads make one profile: replicas of one thing are what is recorded together. */
async function report(profiles: readonly Profile[], flags: RecordFlags, { terminal }: Invocation): Promise<void> {
  const merged = mergeProfiles(profiles);
  await writeOutput(profileText(merged), flags.output, terminal);
  showSummary(merged, flags.output, terminal);
}
