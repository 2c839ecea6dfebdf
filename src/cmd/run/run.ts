/** `vigil run`: a program, confined. */
import { tmpdir } from "node:os";
import { basename, resolve } from "node:path";
import { isatty } from "node:tty";
import { type ConfinedLaunch, type Confinement, launchConfined } from "../../confine/confined-launch.ts";
import type { LaunchEnd, Launched } from "../../confine/launch.ts";
import { isWithin, PRIVATE_DIRECTORIES } from "../../confine/launch-plan.ts";
import { VigilError } from "../../lib/error.ts";
import { missingAtStart } from "../../target/seccomp/call-families.ts";
import type { Profile } from "../../target/seccomp/profile.ts";
import type { Invocation } from "../command.ts";
import { loadConfiguration } from "../config.ts";
import { noteDiagnostics, noteError } from "../notes.ts";
import { loadProfile } from "../profile/profile-file.ts";
import { currentCaller, launchAsWorkload, placeWorkload, type WorkloadLaunch } from "./workload-launch.ts";

export type RunErrorCode = "RUN_USER" | "RUN_UNCONFINED";

export interface RunFlags {
  readonly as: string | undefined;
  readonly unconfined: boolean;
  readonly state: string | undefined;
  readonly config: string | undefined;
  readonly profile: string | undefined;
  readonly complain: boolean;
  readonly landlock: boolean;
  readonly network: string | undefined;
  readonly write: readonly string[];
  readonly read: readonly string[];
  readonly cap: readonly string[];
  readonly user: string | undefined;
  readonly memory: number | undefined;
  readonly processes: number;
  readonly cpu: number | undefined;
  readonly descriptors: number | undefined;
  readonly tmp: number;
  readonly name: string | undefined;
}

const MIB = 1024 * 1024;
const NOT_STARTED = 125;
const SIGNALLED = 128;
const STANDARD_INPUT = 0;

type Context = Pick<Invocation, "operands" | "terminal" | "environment">;

export async function runConfined(context: Context, flags: RunFlags): Promise<number> {
  const { terminal } = context;
  let launch: ConfinedLaunch;
  let workload: WorkloadLaunch | undefined;
  try {
    refuseLoneFlags(flags);
    const state = stateOf(context, flags);
    if (flags.as !== undefined && state === undefined) return NOT_STARTED;
    workload = flags.as === undefined || state === undefined ? undefined : await placeWorkload(state, flags.as);
    if (workload?.place.isIdentified === false) terminal.note(unidentified(workload));
    launch = await start(context, flags, workload);
  } catch (error) {
    return notStarted(error, terminal);
  }
  for (const what of launch.missing) terminal.note(`note: without ${what}`);
  const stopForwarding = forwardSignals(launch.launched);
  try {
    const end = await launch.launched.ended;
    if (launch.cgroup.ranOutOfMemory()) terminal.note("note: the kernel killed something in it that ran out of the memory that it may use");
    return exitCode(end);
  } catch (error) {
    return notStarted(error, terminal);
  } finally {
    stopForwarding();
    workload?.forget();
    await launch.cgroup.remove();
  }
}

async function start(
  { operands, terminal, environment }: Context,
  flags: RunFlags,
  workload: WorkloadLaunch | undefined,
): Promise<ConfinedLaunch> {
  const [command = "", ...args] = operands;
  const profile = flags.profile === undefined ? undefined : loadProfile(flags.profile, terminal);
  for (const problem of startProblems(profile)) terminal.note(`warning: ${problem}`);
  const confinement = confinementOf(flags, workload?.place.name ?? command, profile);
  const options = { scratchDirectory: tmpdir() };
  if (workload === undefined) {
    const directory = visibleDirectory(process.cwd(), confinement, terminal);
    return launchConfined({ command, args, environment, directory }, confinement, currentCaller(), options);
  }
  if (flags.unconfined) {
    const program = { command, args, environment, directory: process.cwd() };
    return launchAsWorkload(program, { confinement, isConfined: false }, workload, options);
  }
  const directory = visibleDirectory(process.cwd(), confinement, terminal);
  return launchAsWorkload({ command, args, environment, directory }, { confinement, isConfined: true }, workload, options);
}

/** The state directory of the Vigil that is to know the workload; undefined, with a note, when the configuration cannot be read. */
function stateOf({ terminal, environment }: Context, { as, state, config }: RunFlags): string | undefined {
  if (as === undefined) return undefined;
  const configuration = loadConfiguration({ environment, terminal }, config, { "state.directory": { flag: "state", value: state } });
  if (configuration.ok) return configuration.value.values["state.directory"];
  noteDiagnostics(terminal, configuration.error);
  return undefined;
}

function refuseLoneFlags({ as, unconfined, profile, landlock }: RunFlags): void {
  if (unconfined && (as === undefined || profile !== undefined || landlock))
    throw new VigilError<RunErrorCode>("RUN_UNCONFINED", "`--unconfined` goes with `--as` alone", {
      hint: "leave it out to confine the program, or the profile to start it as it is",
    });
}

const unidentified = ({ place }: WorkloadLaunch): string =>
  `warning: ${place.namespace}/${place.name} is not registered with the selector \`vigil:workload:${place.namespace}/${place.name}\`: its own selectors decide whether the program gets an identity`;

/** Where the program starts: here, or at the root where this directory is hidden by one that the program has for itself. */
function visibleDirectory(directory: string, { writable, readable }: Confinement, terminal: Context["terminal"]): string {
  const hidden = PRIVATE_DIRECTORIES.find((own) => isWithin(directory, own));
  if (hidden === undefined || [...writable, ...readable].some((path) => isWithin(directory, resolve(path)))) return directory;
  terminal.note(`note: it starts in / because ${hidden} is its own; \`--read .\` or \`--write .\` shows it this directory`);
  return "/";
}

/** A program's own exit code cannot be told from one of Vigil's below this. */
function notStarted(error: unknown, terminal: Context["terminal"]): number {
  if (!(error instanceof VigilError)) throw error;
  noteError(terminal, error.message, error.hint);
  return NOT_STARTED;
}

export const exitCode = (end: LaunchEnd): number => (end.kind === "exited" ? end.code : SIGNALLED + end.number);

function startProblems(profile: Profile | undefined): readonly string[] {
  const missing = profile === undefined ? [] : missingAtStart(profile);
  if (missing.length === 0) return [];
  return [`programs are stopped at their start by this profile: it lacks ${missing.join(", ")}`];
}

function confinementOf(flags: RunFlags, command: string, profile: Profile | undefined): Confinement {
  const { memory, cpu, descriptors } = flags;
  return {
    name: flags.name ?? basename(command),
    profile,
    isComplaining: flags.complain,
    usesLandlock: flags.landlock,
    network: (flags.network ?? (flags.as === undefined ? "none" : "host")) === "host" ? "host" : "none",
    writable: flags.write,
    readable: flags.read,
    capabilities: flags.cap,
    identity: flags.user === undefined ? undefined : parseUser(flags.user),
    limits: {
      processes: flags.processes,
      ...(memory !== undefined && { memoryBytes: memory * MIB }),
      ...(cpu !== undefined && { cores: cpu / 100 }),
      ...(descriptors !== undefined && { descriptors }),
    },
    temporaryBytes: flags.tmp * MIB,
    isOnTerminal: isatty(STANDARD_INPUT),
  };
}

function parseUser(text: string): { readonly uid: number; readonly gid: number } {
  if (process.getuid?.() !== 0)
    throw new VigilError<RunErrorCode>("RUN_USER", "only root may choose whom a program runs as", {
      hint: "leave out --user: it runs as you, with fewer rights",
    });
  const groups = /^(?<uid>\d{1,9})(?::(?<gid>\d{1,9}))?$/.exec(text)?.groups;
  if (groups === undefined)
    throw new VigilError<RunErrorCode>("RUN_USER", `expected a user like \`1000\` or \`1000:1000\`, got \`${text}\``, {
      hint: "`id NAME` shows the numbers of a user",
    });
  const uid = Number(groups["uid"]);
  return { uid, gid: groups["gid"] === undefined ? uid : Number(groups["gid"]) };
}

/** Those that end a program or mean something to one. A terminal sends the first two to the program by itself. */
const OF_TERMINALS = ["SIGINT", "SIGQUIT"] as const;
const FORWARDED = ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCONT", "SIGALRM"] as const;

export function forwardSignals(launched: Launched): () => void {
  const isOnTerminal = isatty(STANDARD_INPUT);
  const handlers = [...OF_TERMINALS, ...FORWARDED].map((signal) => {
    const isAlreadySent = isOnTerminal && OF_TERMINALS.some((each) => each === signal);
    const handler = (): void => {
      if (!isAlreadySent) launched.kill(signal);
    };
    process.on(signal, handler);
    return { signal, handler };
  });
  return () => {
    for (const { signal, handler } of handlers) process.off(signal, handler);
  };
}
