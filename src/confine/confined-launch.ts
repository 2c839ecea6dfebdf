/** From what a person asks of a confined launch to the launch itself, as root or as an ordinary user; what cannot be had is said. */
import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { messageOf, VigilError } from "../lib/error.ts";
import { CAPABILITY_NAMES } from "../linux/capabilities.ts";
import { CGROUP_PARENT, Cgroup, type CgroupLimits } from "../linux/cgroup.ts";
import { architecture, syscall } from "../linux/native.ts";
import { withCalls } from "../target/seccomp/call-families.ts";
import { CONFINED_REFUSALS, DEFAULT_PROFILE } from "../target/seccomp/default-profile.ts";
import { compileFilter } from "../target/seccomp/filter-compiler.ts";
import { encodeFilter } from "../target/seccomp/filter-instruction.ts";
import { LANDLOCK_ACCESS, type LandlockRules, landlockHandled, landlockRules } from "../target/seccomp/landlock-rules.ts";
import { EMPTY_PROFILE, type Profile } from "../target/seccomp/profile.ts";
import { type IdMap, type Launched, type LaunchOptions, launch } from "./launch.ts";
import { type BoundPath, isWithin, type LandlockPlan, type LaunchPlan, PRIVATE_DIRECTORIES, RESOURCE } from "./launch-plan.ts";

export type ConfineErrorCode = "CONFINE_PROGRAM" | "CONFINE_PATH" | "CONFINE_CAPABILITY" | "CONFINE_LANDLOCK" | "CONFINE_CGROUP";

export interface ConfinedProgram {
  /** A path, or a name that is looked for in `PATH`. */
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: { readonly [name: string]: string | undefined };
  readonly directory: string;
}

export interface Confinement {
  /** Of the cgroup and the host name. */
  readonly name: string;
  /** Undefined stands for `DEFAULT_PROFILE`. */
  readonly profile: Profile | undefined;
  /** Calls beyond the profile are let through, and written to the kernel's log. */
  readonly isComplaining: boolean;
  /** Also lets files and ports be used only as the profile's say. */
  readonly usesLandlock: boolean;
  readonly network: "none" | "host";
  /** Paths that may be written. */
  readonly writable: readonly string[];
  /** Paths in private directories that may be read. */
  readonly readable: readonly string[];
  /** `net_bind_service`; only ever within the namespaces. */
  readonly capabilities: readonly string[];
  readonly identity: { readonly uid: number; readonly gid: number } | undefined;
  readonly limits: CgroupLimits & { readonly descriptors?: number };
  readonly temporaryBytes: number;
  readonly isOnTerminal: boolean;
  /** The cgroup that it must be in, below Vigil's own; undefined: one that is named for it, where it can be had. */
  readonly cgroup?: string;
}

export interface ConfinedLaunch {
  readonly launched: Launched;
  readonly cgroup: Cgroup;
  /** What was asked and could not be had, as clauses. */
  readonly missing: readonly string[];
}

/** Who starts it. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
}

/** Throws a `ConfineErrorCode`, or what `launch` throws. The caller removes the cgroup once the program has ended. */
export async function launchConfined(
  program: ConfinedProgram,
  confinement: Confinement,
  caller: Caller,
  options: Pick<LaunchOptions, "scratchDirectory" | "stdio" | "onProcess">,
): Promise<ConfinedLaunch> {
  const plan = planConfinement(program, confinement, caller);
  const { cgroup, missing } = cgroupFor(confinement);
  try {
    const launched = await launch(plan, { ...options, cgroup, idMap: idMapFor(caller) });
    return { launched, cgroup, missing: [...missing, ...fallbackNotes(missing, confinement)] };
  } catch (error) {
    await cgroup.remove();
    throw error;
  }
}

/** Throws `CONFINE_CGROUP` when it is not where it must be: nothing would be known of the program there. */
export function cgroupFor({
  cgroup: wanted,
  name,
  limits,
}: Pick<Confinement, "cgroup" | "name" | "limits">): ReturnType<typeof Cgroup.create> {
  const made = Cgroup.create(wanted ?? `${cgroupName(name)}-${process.pid}`, limits);
  if (wanted === undefined || made.cgroup.path?.endsWith(`/${CGROUP_PARENT}/${wanted}`) === true) return made;
  throw new VigilError<ConfineErrorCode>("CONFINE_CGROUP", `cannot make the cgroup \`${wanted}\` that the program must be in`, {
    hint: "it takes root and the hierarchy of version 2",
  });
}

const cgroupName = (name: string): string => name.replaceAll(/[^A-Za-z0-9_.-]+/g, "-").slice(0, 100);

/** Where a cgroup cannot limit processes, the limit per user does, within the user namespace. */
const fallbackNotes = (missing: readonly string[], { limits }: Confinement): readonly string[] =>
  limits.processes !== undefined && missing.some((what) => what.includes("pids"))
    ? ["the number of processes is limited by RLIMIT_NPROC instead"]
    : [];

/** Root keeps all ids, so that files belong to whom they belong; its rights over them are only those of the namespace. */
export function idMapFor({ uid, gid }: Caller): IdMap {
  if (uid === 0) return { uids: "0 0 4294967295", gids: "0 0 4294967295", deniesSetgroups: false };
  return { uids: `${uid} ${uid} 1`, gids: `${gid} ${gid} 1`, deniesSetgroups: true };
}

export function planConfinement(program: ConfinedProgram, confinement: Confinement, caller: Caller): LaunchPlan {
  const { profile, limits, identity } = confinement;
  const own = architecture();
  const launched = launchedProgram(program);
  const { path } = launched;
  const filter = compileFilter(withCalls(profile ?? DEFAULT_PROFILE, ["execve"], "base"), {
    architecture: own,
    otherwise: confinement.isComplaining ? { kind: "log" } : { kind: "errno", errno: 1 },
    refused: CONFINED_REFUSALS,
  });
  return {
    program: launched,
    isolation: {
      hasUserNamespace: true,
      network: confinement.network,
      hostname: hostName(confinement.name),
      writable: confinement.writable.map(givenPath),
      readable: [...confinement.readable.map(givenPath), ...broughtBack(path)],
      temporaryBytes: confinement.temporaryBytes,
      isOnTerminal: confinement.isOnTerminal,
      initFilter: initFilter(),
    },
    identity: caller.uid === 0 ? identity : undefined,
    capabilities: confinement.capabilities.map(capabilityNumber),
    noNewPrivileges: true,
    limits: [
      { resource: RESOURCE.core, value: 0n },
      ...(limits.descriptors === undefined ? [] : [{ resource: RESOURCE.descriptors, value: BigInt(limits.descriptors) }]),
      // As root it would count what root runs elsewhere; there the cgroup limits.
      ...(limits.processes === undefined || caller.uid === 0 ? [] : [{ resource: RESOURCE.processes, value: BigInt(limits.processes) }]),
    ],
    landlock: planLandlock(confinement),
    filter: { program: encodeFilter(filter), isListening: false },
  };
}

const launchedProgram = ({ command, args, environment, directory }: ConfinedProgram): LaunchPlan["program"] => ({
  path: findProgram(command, environment["PATH"] ?? DEFAULT_PATH, directory),
  argv: [command, ...args],
  environment: environmentLines(environment),
  directory: realPath(directory).path,
});

/** The program as it is, in the caller's namespaces and with the caller's rights. */
export const planUnconfined = (program: ConfinedProgram, identity: Confinement["identity"]): LaunchPlan => ({
  program: launchedProgram(program),
  isolation: undefined,
  identity,
  capabilities: undefined,
  noNewPrivileges: false,
  limits: [],
  landlock: undefined,
  filter: undefined,
});

/** What init does while it waits. */
function initFilter(): Uint8Array {
  const calls = ["exit_group", "kill", "rt_sigtimedwait", "wait4", "write"] as const;
  return encodeFilter(
    compileFilter(withCalls(EMPTY_PROFILE, calls, "base"), {
      architecture: architecture(),
      otherwise: { kind: "kill" },
      unknown: { kind: "kill" },
    }),
  );
}

export const environmentLines = (environment: ConfinedProgram["environment"]): readonly string[] =>
  Object.entries(environment).flatMap(([name, value]) => (value === undefined || value.includes("\0") ? [] : [`${name}=${value}`]));

const MAX_HOST_NAME = 63;
const hostName = (name: string): string => {
  const cleaned = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, MAX_HOST_NAME);
  return cleaned === "" ? "confined" : cleaned;
};

/** What execvp(3) takes without PATH. */
export const DEFAULT_PATH = "/usr/bin:/bin";

/** The program as a path, by the rules of execvp(3). Throws `CONFINE_PROGRAM`. */
export function findProgram(command: string, searchPath: string, directory: string): string {
  const candidates = command.includes("/")
    ? [resolve(directory, command)]
    : searchPath.split(delimiter).map((folder) => join(isAbsolute(folder) ? folder : resolve(directory, folder), command));
  const found = candidates.find(isExecutable);
  if (found !== undefined && command !== "") return found;
  const where = command.includes("/") ? "is not there, or may not be executed" : "is not in PATH";
  throw new VigilError<ConfineErrorCode>("CONFINE_PROGRAM", `cannot start \`${command}\`: it ${where}`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function realPath(path: string): BoundPath {
  try {
    const real = realpathSync(path);
    return { path: real, isDirectory: statSync(real).isDirectory() };
  } catch (error) {
    throw new VigilError<ConfineErrorCode>("CONFINE_PATH", `cannot use \`${path}\`: ${messageOf(error)}`, {
      hint: "paths that a confined program may use have to exist before it starts",
    });
  }
}

/** What the confinement itself makes: bringing back the host's would undo it. */
const OWN_PLACES = ["/proc", "/sys"];

function givenPath(path: string): BoundPath {
  const bound = realPath(path);
  const isOwn = bound.path === "/" || bound.path === "/dev" || OWN_PLACES.some((place) => isWithin(bound.path, place));
  if (!isOwn) return bound;
  throw new VigilError<ConfineErrorCode>(
    "CONFINE_PATH",
    `a confined program cannot be given \`${path}\`: it would have the machine with it`,
    {
      hint: "name the directory below it that the program needs",
    },
  );
}

/** A program that itself lies in a private directory (a build in /tmp), and the name servers where they are in /run. */
function broughtBack(program: string): readonly BoundPath[] {
  const needed = [program, "/etc/resolv.conf"].flatMap((path) => {
    try {
      return [realpathSync(path)];
    } catch {
      return [];
    }
  });
  return needed
    .filter((path) => PRIVATE_DIRECTORIES.some((directory) => isWithin(path, directory)))
    .map((path) => ({ path, isDirectory: false }));
}

const CAPABILITY_NUMBERS: readonly string[] = CAPABILITY_NAMES;

function capabilityNumber(name: string): number {
  const wanted = `CAP_${name.toUpperCase().replace(/^CAP_/, "")}`;
  const number = CAPABILITY_NUMBERS.indexOf(wanted);
  if (number >= 0) return number;
  throw new VigilError<ConfineErrorCode>("CONFINE_CAPABILITY", `unknown capability \`${name}\``, {
    hint: "names are those of capabilities(7), such as `net_bind_service`",
  });
}

/** Of the running kernel; 0 where it has none. */
export function landlockAbi(): number {
  const VERSION = 1;
  const { value } = syscall("landlock_create_ruleset", null, 0, VERSION);
  return Math.max(0, value);
}

function planLandlock({ usesLandlock, profile, writable, network }: Confinement): LandlockPlan | undefined {
  if (!usesLandlock) return undefined;
  const abi = landlockAbi();
  if (abi === 0)
    throw landlockProblem("this kernel has no Landlock, or it is not enabled", "boot it with `lsm=landlock,…`, or leave out --landlock");
  if (profile !== undefined && profile.paths.length === 0)
    throw landlockProblem("the profile has no paths, so the program could not even be loaded", "record it with --paths");
  return { rules: completeRules(profile, writable, network), handled: landlockHandled(abi) };
}

const landlockProblem = (message: string, hint: string): VigilError<ConfineErrorCode> =>
  new VigilError("CONFINE_LANDLOCK", message, { hint });

const ALL_FILE_RIGHTS = Object.values(LANDLOCK_ACCESS).reduce((sum, right) => sum | right, 0n);
const READ_RIGHTS = LANDLOCK_ACCESS.readFile | LANDLOCK_ACCESS.readDirectory;

/** What the profile has, and what the launch itself gives: the writable paths, the private directories, devices and its own /proc. */
function completeRules(profile: Profile | undefined, writable: readonly string[], network: "none" | "host"): LandlockRules {
  const { paths, ports } = profile === undefined ? READ_ALL : landlockRules(profile);
  const given = writable.map(realPath).map(({ path, isDirectory }) => ({ path, rights: isDirectory ? ALL_FILE_RIGHTS : WRITE_FILE }));
  return {
    paths: [
      ...paths,
      ...given,
      ...["/dev/shm", "/tmp", "/var/tmp"].map((path) => ({ path, rights: ALL_FILE_RIGHTS })),
      { path: "/dev", rights: READ_RIGHTS | LANDLOCK_ACCESS.writeFile | LANDLOCK_ACCESS.ioctlDevice },
      { path: "/proc", rights: READ_RIGHTS | LANDLOCK_ACCESS.writeFile },
    ],
    ports: network === "none" ? undefined : ports,
  };
}

const WRITE_FILE = LANDLOCK_ACCESS.readFile | LANDLOCK_ACCESS.writeFile | LANDLOCK_ACCESS.truncate;
const READ_ALL: LandlockRules = { paths: [{ path: "/", rights: READ_RIGHTS | LANDLOCK_ACCESS.execute }], ports: undefined };
