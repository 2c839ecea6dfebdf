/**
 * The processes of a host, as events tell of them: the one truth about who is whose child. A PID that is used again is another process;
 * one that has ended stays for as long as a child of it lives, or for a while, so that ancestry can be told.
 */
import { type ContainerView, type ExecutableView, HOST, NO_EXECUTABLE, type ProcessView } from "../falco/syscall-event.ts";

/** What is looked up elsewhere. Each must answer at once, from memory. */
export interface ProcessLookups {
  /** Null when the user has no name in that mount namespace. */
  readonly userName: (uid: number, mountNamespace: number) => string | null;
  readonly groupName: (gid: number, mountNamespace: number) => string | null;
  /** What a cgroup is: `HOST` when it is no container's. */
  readonly container: (cgroupId: string, mountNamespace: number) => ContainerView;
}

export interface ProcessTableOptions {
  readonly bootId: string;
  readonly lookups: ProcessLookups;
  /** Processes that are kept, ended ones included. Default 65,536. */
  readonly limit?: number;
  /** Ended ones that can still be found by their PID, for records that are read late. Default 1,024. */
  readonly endedLimit?: number;
}

/** Who a process is to the kernel. */
export interface Credentials {
  readonly uid: number;
  readonly euid: number;
  readonly gid: number;
  readonly egid: number;
  readonly loginUid: number;
  readonly capEffective: bigint;
  readonly capPermitted: bigint;
  readonly capInheritable: bigint;
}

/** What is the process's place in the kernel. */
export interface Placement {
  readonly tty: number;
  readonly sid: number;
  readonly pgid: number;
  readonly vpid: number;
  readonly vpgid: number;
  readonly cgroupId: string;
  readonly mountNamespace: number;
}

export interface ForkEvent {
  readonly pid: number;
  readonly parentPid: number;
  /** Start time of the child, nanoseconds since the epoch; with the PID it names the process. */
  readonly startNs: bigint;
  /** When they differ from the parent's: a child in a new PID namespace. */
  readonly placement?: Partial<Placement>;
}

export interface ExecEvent {
  readonly pid: number;
  /** When the process was forked; tells a PID that is used again from one whose fork was seen. */
  readonly startNs: bigint;
  readonly timeNs: bigint;
  /** 0 when not known. */
  readonly parentPid: number;
  readonly name: string;
  readonly exePath: string;
  /** With `argv[0]`. */
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env?: string | null;
  readonly executable?: ExecutableView;
  readonly credentials: Credentials;
  readonly placement: Placement;
}

const DEFAULT_LIMIT = 65_536;
const DEFAULT_ENDED_LIMIT = 1_024;
/** Of the arguments that are kept: the kernel passes up to 2 MiB, and rules look at the beginning. */
const MAX_ARGUMENTS_TEXT = 4_096;
const ANCESTRY_LIMIT = 64;
/** Ancestors that may be kept before those beyond the limit are cut off. */
const MAX_DEPTH = 2 * ANCESTRY_LIMIT;
/** (uid_t)-1, as the kernel says that nobody logged in. */
const NO_LOGIN = 4_294_967_295;

export class ProcessTable {
  readonly #bootId: string;
  readonly #lookups: ProcessLookups;
  readonly #limit: number;
  readonly #endedLimit: number;
  /** Living processes, and the last that had a PID. Oldest first. */
  readonly #byPid = new Map<number, ProcessEntry>();
  /** Ended processes, in the order in which they ended. */
  readonly #ended = new Set<ProcessEntry>();
  #evicted = 0;

  constructor({ bootId, lookups, limit = DEFAULT_LIMIT, endedLimit = DEFAULT_ENDED_LIMIT }: ProcessTableOptions) {
    this.#bootId = bootId;
    this.#lookups = lookups;
    this.#limit = limit;
    this.#endedLimit = endedLimit;
  }

  get size(): number {
    return this.#byPid.size;
  }

  /** Living processes that had to be forgotten, because there were more than the limit. */
  get evicted(): number {
    return this.#evicted;
  }

  /** The process that has this PID now, or had it last. */
  find(pid: number): ProcessView | undefined {
    return this.#byPid.get(pid);
  }

  /** As `find`, with the program that it ran at that time, if it has started one other since. */
  findAt(pid: number, timeNs: bigint): ProcessView | undefined {
    const entry = this.#byPid.get(pid);
    return entry !== undefined && entry.execNs > timeNs && entry.before !== null ? entry.before : entry;
  }

  /** Processes that were there before the sensor, in any order. What events have told already is not overwritten. */
  seed(processes: readonly ExecEvent[]): void {
    const oldestFirst = [...processes].sort((a, b) => (a.startNs < b.startNs ? -1 : a.startNs > b.startNs ? 1 : a.pid - b.pid));
    for (const event of oldestFirst) if (this.#living(event.pid, event.startNs) === undefined) this.#execute(event);
  }

  fork({ pid, parentPid, startNs, placement }: ForkEvent): ProcessView {
    const known = this.#living(pid, startNs);
    if (known !== undefined) return known;
    const parent = parentPid === pid ? null : (this.#byPid.get(parentPid) ?? null);
    const entry = new ProcessEntry(pid, parentPid, startNs, this.#bootId);
    entry.descend(parent);
    if (parent !== null) entry.inherit(parent);
    if (placement !== undefined) {
      entry.place({ ...placementOf(entry), ...placement }, this.#lookups);
    }
    this.#keep(entry);
    return entry;
  }

  exec(event: ExecEvent): ProcessView {
    return this.#execute(event);
  }

  /** A process that has ended before anything was told of it. It takes no place from a living one that has its PID. */
  execEnded(event: ExecEvent): ProcessView {
    const isFree = !this.#byPid.has(event.pid);
    const entry = this.#describe(event);
    if (isFree) {
      this.#keep(entry);
      this.exit(event.pid);
    }
    return entry;
  }

  /** The process with other credentials, from `setuid` and its relatives. */
  setCredentials(pid: number, credentials: Credentials): void {
    const entry = this.#byPid.get(pid);
    if (entry !== undefined) entry.become(credentials, this.#lookups);
  }

  /** The process in another cgroup or namespace. */
  setPlacement(pid: number, placement: Partial<Placement>): void {
    const entry = this.#byPid.get(pid);
    if (entry !== undefined) entry.place({ ...placementOf(entry), ...placement }, this.#lookups);
  }

  /** `comm` was set by the process. */
  rename(pid: number, name: string): void {
    const entry = this.#byPid.get(pid);
    if (entry !== undefined) entry.setName(name);
  }

  chdir(pid: number, cwd: string): void {
    const entry = this.#byPid.get(pid);
    if (entry !== undefined) entry.cwd = cwd;
  }

  /** Ends a process; it can still be found until its PID is used again or room is needed. */
  exit(pid: number): ProcessView | undefined {
    const entry = this.#byPid.get(pid);
    if (entry === undefined) return undefined;
    this.#ended.add(entry);
    if (this.#ended.size > this.#endedLimit) this.#forgetEnded();
    return entry;
  }

  /** Ends whoever does not live any more, since its end was lost; how many. */
  endOthers(isLiving: (pid: number, startNs: bigint) => boolean): number {
    const gone = [...this.#byPid.values()].filter((entry) => !this.#ended.has(entry) && !isLiving(entry.pid, entry.startNs));
    for (const { pid } of gone) this.exit(pid);
    return gone.length;
  }

  /** The parent first. At most 64, and whoever has ended included as long as it is remembered. */
  ancestors(process: ProcessView): readonly ProcessView[] {
    const found: ProcessView[] = [];
    for (let at = process.parent; at !== null && found.length < ANCESTRY_LIMIT; at = at.parent) found.push(at);
    return found;
  }

  /** Containers that were learnt about late: looks all processes of a cgroup up again. */
  refreshContainers(cgroupId: string): void {
    for (const entry of this.#byPid.values()) {
      if (entry.cgroupId === cgroupId) entry.container = this.#lookups.container(cgroupId, entry.mountNamespace);
    }
  }

  #execute(event: ExecEvent): ProcessEntry {
    const entry = this.#describe(event);
    this.#keep(entry);
    return entry;
  }

  #describe(event: ExecEvent): ProcessEntry {
    const known = this.#living(event.pid, event.startNs);
    const entry = new ProcessEntry(event.pid, event.parentPid, event.startNs, this.#bootId);
    // The program before the exec is no ancestor of the one after it: they have the same parent.
    entry.descend(known === undefined ? this.#parentOf(event) : known.parent);
    if (known !== undefined) {
      entry.before = known;
      known.before = null;
    }
    if (known !== undefined && event.parentPid === 0) entry.parentPid = known.parentPid;
    entry.execute(event, this.#lookups, this.#bootId);
    entry.sessionName = event.placement.sid === event.pid ? event.name : (this.#byPid.get(event.placement.sid)?.name ?? null);
    return entry;
  }

  #living(pid: number, startNs: bigint): ProcessEntry | undefined {
    const entry = this.#byPid.get(pid);
    return entry !== undefined && entry.startNs === startNs && !this.#ended.has(entry) ? entry : undefined;
  }

  /** A process that started later than its child is another one that got the PID of the parent. */
  #parentOf({ pid, parentPid, startNs }: ExecEvent): ProcessEntry | null {
    const parent = this.#byPid.get(parentPid);
    if (parent === undefined || parentPid === pid || parent.startNs > startNs) return null;
    return parent;
  }

  #keep(entry: ProcessEntry): void {
    const before = this.#byPid.get(entry.pid);
    if (before !== undefined) {
      if (before.startNs !== entry.startNs) before.before = null;
      this.#ended.delete(before);
      this.#byPid.delete(entry.pid);
    }
    if (this.#byPid.size >= this.#limit) this.#makeRoom();
    this.#byPid.set(entry.pid, entry);
  }

  /** Forgets who ended first; when all live, who was there first. */
  #makeRoom(): void {
    if (this.#forgetEnded()) return;
    const [oldest] = this.#byPid.values();
    if (oldest === undefined) return;
    this.#byPid.delete(oldest.pid);
    this.#evicted += 1;
  }

  /** Its children keep it as their parent; nobody finds it any more. */
  #forgetEnded(): boolean {
    const [ended] = this.#ended;
    if (ended === undefined) return false;
    this.#ended.delete(ended);
    if (this.#byPid.get(ended.pid) === ended) this.#byPid.delete(ended.pid);
    ended.before = null;
    return true;
  }
}

const placementOf = ({ tty, sid, pgid, vpid, vpgid, cgroupId, mountNamespace }: ProcessEntry): Placement => ({
  tty,
  sid,
  pgid,
  vpid,
  vpgid,
  cgroupId,
  mountNamespace,
});

class ProcessEntry implements ProcessView {
  execId: string;
  readonly pid: number;
  readonly tid: number;
  parent: ProcessEntry | null = null;
  /** What the process was before it started its program; of that one, nothing earlier is kept. */
  before: ProcessEntry | null = null;
  /** Ancestors that it has at most. */
  #depth = 0;
  parentPid: number;
  name = "";
  exe = "";
  exePath = "";
  args: readonly string[] = [];
  argsText = "";
  commandLine = "";
  cwd = "";
  env: string | null = null;
  readonly startNs: bigint;
  execNs: bigint;
  uid = 0;
  euid = 0;
  gid = 0;
  egid = 0;
  loginUid = NO_LOGIN;
  userName: string | null = null;
  loginName: string | null = null;
  groupName: string | null = null;
  tty = 0;
  sid = 0;
  sessionName: string | null = null;
  pgid = 0;
  vpid: number;
  vpgid = 0;
  capEffective = 0n;
  capPermitted = 0n;
  capInheritable = 0n;
  executable: ExecutableView = NO_EXECUTABLE;
  cgroupId = "";
  mountNamespace = 0;
  container: ContainerView = HOST;

  constructor(pid: number, parentPid: number, startNs: bigint, bootId: string) {
    this.pid = pid;
    this.tid = pid;
    this.vpid = pid;
    this.parentPid = parentPid;
    this.startNs = startNs;
    this.execNs = startNs;
    this.execId = `${bootId}:${pid}:${startNs}`;
  }

  /** INVARIANT: ancestries are bounded, or whoever forks and ends again and again would keep all of its line in memory. */
  descend(parent: ProcessEntry | null): void {
    this.parent = parent;
    this.#depth = parent === null ? 0 : parent.#depth + 1;
    if (this.#depth < MAX_DEPTH) return;
    let last: ProcessEntry = this;
    let depth = 0;
    for (; last.parent !== null && depth < ANCESTRY_LIMIT; depth++) last = last.parent;
    last.parent = null;
    this.#depth = depth;
  }

  inherit(parent: ProcessEntry): void {
    const { name, exe, exePath, args, argsText, commandLine, cwd, env, executable, container, sessionName } = parent;
    Object.assign(this, { name, exe, exePath, args, argsText, commandLine, cwd, env, executable, container, sessionName });
    const { uid, euid, gid, egid, loginUid, userName, loginName, groupName, capEffective, capPermitted, capInheritable } = parent;
    Object.assign(this, { uid, euid, gid, egid, loginUid, userName, loginName, groupName, capEffective, capPermitted, capInheritable });
    const { tty, sid, pgid, vpgid, cgroupId, mountNamespace } = parent;
    Object.assign(this, { tty, sid, pgid, vpgid, cgroupId, mountNamespace });
  }

  execute(event: ExecEvent, lookups: ProcessLookups, bootId: string): void {
    this.execNs = event.timeNs;
    this.execId = `${bootId}:${event.pid}:${event.timeNs}`;
    this.exePath = event.exePath;
    this.exe = event.argv[0] ?? event.exePath;
    this.args = boundedArguments(event.argv);
    this.argsText = this.args.join(" ");
    this.setName(event.name);
    this.cwd = event.cwd;
    this.env = event.env ?? null;
    this.executable = event.executable ?? NO_EXECUTABLE;
    this.place(event.placement, lookups);
    this.become(event.credentials, lookups);
  }

  setName(name: string): void {
    this.name = name;
    this.commandLine = this.argsText === "" ? name : `${name} ${this.argsText}`;
  }

  become(credentials: Credentials, lookups: ProcessLookups): void {
    Object.assign(this, credentials);
    this.userName = lookups.userName(this.euid, this.mountNamespace);
    this.loginName = this.loginUid === NO_LOGIN ? null : lookups.userName(this.loginUid, this.mountNamespace);
    this.groupName = lookups.groupName(this.egid, this.mountNamespace);
  }

  place(placement: Placement, lookups: ProcessLookups): void {
    Object.assign(this, placement);
    this.container = lookups.container(this.cgroupId, this.mountNamespace);
  }
}

/** The arguments after `argv[0]`, cut where they are longer in sum than what is kept. */
function boundedArguments(argv: readonly string[]): readonly string[] {
  const kept: string[] = [];
  let room = MAX_ARGUMENTS_TEXT;
  for (const argument of argv.slice(1)) {
    if (room <= 0) break;
    kept.push(argument.length > room ? argument.slice(0, room) : argument);
    room -= argument.length + 1;
  }
  return kept;
}
