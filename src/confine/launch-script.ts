/**
 * The order of a confined start, as a script of system calls. Three processes, where there are namespaces: the launcher, which stays
 * outside and waits; the init of the new namespaces, which prepares them, gives up its rights and then only waits and passes signals on;
 * and the program. Without namespaces the launcher itself becomes the program.
 */
import {
  AMBIENT_CLEAR_ALL,
  AMBIENT_RAISE,
  AT,
  CAPABILITY_VERSION,
  CLONE,
  CLOSE_ON_EXEC,
  OPEN,
  PRCTL,
  SECCOMP,
  SECURE_BITS,
  SET_DESCRIPTOR_FLAGS,
  SIG_SETMASK,
  SIGNAL,
  WNOHANG,
} from "../linux/constants.ts";
import { type FinishedScript, SyscallScript } from "../linux/launcher/syscall-script.ts";
import type { Architecture } from "../linux/syscall-numbers.ts";
import type { FilterPlan, Isolation, LandlockPlan, LaunchPlan } from "./launch-plan.ts";
import { addMounts } from "./mount-script.ts";

/** The descriptor between launcher and supervisor, both ways. */
export const CHANNEL = 3;
/** The lowest descriptor that is free once all others are closed: where a listener appears. */
export const LISTENER = 4;

/** What the launcher reports, beside failures. The value says what. */
export const LAUNCH_REPORT = {
  /** The process id of the init of the new namespaces, outside of them. It waits until it is told to go on. */
  init: 1,
  /** The filter comes next; the listener will be descriptor `LISTENER` of the process that is about to be the program. */
  listening: 2,
  /** How the program ended: a status as wait(2) gives it. */
  ended: 3,
} as const;

/** What launchers exit with when they could not start the program. Also reported, with the reason. */
export const LAUNCH_FAILED = 125;

const ALL_SIGNALS = 0xffff_ffff_ffff_ffffn;
const SIGNAL_SET_BYTES = 8;

export function launchScript(plan: LaunchPlan, architecture: Architecture): FinishedScript {
  const script = new SyscallScript(architecture, CHANNEL);
  dieWithParent(script);
  if (plan.isolation === undefined) {
    waitForSupervisor(script);
    script.call("change to the working directory", "chdir", [script.text(plan.program.directory)]);
    restrict(script, plan);
    becomeProgram(script, plan);
    return script.finish(LAUNCH_FAILED);
  }
  const { isolation } = plan;
  const init = script.cell();
  const inside = script.label();
  const flags = namespaceFlags(isolation) | SIGNAL.child;
  // A terminal sends its signals to launcher and init as well; only the program is to end by them.
  const all = script.words([ALL_SIGNALS]);
  script.call("hold signals back", "rt_sigprocmask", [SIG_SETMASK, all, 0, SIGNAL_SET_BYTES]);
  script.call("create the namespaces", "clone", [flags, 0, 0, 0, 0], { store: init, onZero: inside });
  script.report(LAUNCH_REPORT.init, init);
  script.call("wait for the program", "wait4", [init, 0, 0, 0]);
  script.exit(0);

  script.mark(inside);
  dieWithParent(script);
  waitForSupervisor(script);
  script.call("create the cgroup namespace", "unshare", [CLONE.newCgroup], { onError: "ignore" });
  const hostname = Buffer.from(isolation.hostname);
  script.call("set the host name", "sethostname", [script.bytes(hostname), hostname.length]);
  if (isolation.network === "none") raiseLoopback(script);
  addMounts(script, isolation);
  script.call("change to the working directory", "chdir", [script.text(plan.program.directory)]);
  restrict(script, plan);
  superviseProgram(script, plan, isolation);
  return script.finish(LAUNCH_FAILED);
}

function namespaceFlags({ hasUserNamespace, network }: Isolation): number {
  const always = CLONE.newNamespace | CLONE.newUts | CLONE.newIpc | CLONE.newPid;
  return always | (hasUserNamespace ? CLONE.newUser : 0) | (network === "none" ? CLONE.newNet : 0);
}

function dieWithParent(script: SyscallScript): void {
  script.call("end with its parent", "prctl", [PRCTL.parentDeathSignal, SIGNAL.kill, 0, 0, 0]);
}

/** One byte says that ids are mapped and that the process is in its cgroup; none that the supervisor is gone. */
function waitForSupervisor(script: SyscallScript): void {
  const gone = script.label();
  const goOn = script.label();
  const byte = script.bytes(new Uint8Array(1));
  script.call("wait for its supervisor", "read", [CHANNEL, byte, 1], { onZero: gone });
  script.goTo(goOn);
  script.mark(gone);
  script.exit(LAUNCH_FAILED);
  script.mark(goOn);
}

/** `struct ifreq` (net/if.h): name[16], flags. */
function raiseLoopback(script: SyscallScript): void {
  const SIOCSIFFLAGS = 0x8914;
  const IFF_UP = 1;
  const request = Buffer.alloc(40);
  request.write("lo");
  request.writeUInt16LE(IFF_UP, 16);
  const socket = script.cell();
  const AF_INET = 2;
  const SOCK_DGRAM = 2;
  script.call("create a socket", "socket", [AF_INET, SOCK_DGRAM, 0], { store: socket });
  script.call("raise the loopback interface", "ioctl", [socket, SIOCSIFFLAGS, script.bytes(request)]);
  script.call("close a socket", "close", [socket]);
}

/** Everything that a process can give up before it is the program, in the order in which the rights to do so go. */
function restrict(script: SyscallScript, { limits, identity, capabilities, noNewPrivileges, landlock }: LaunchPlan): void {
  for (const { resource, value } of limits) {
    script.call("limit its resources", "prlimit64", [0, resource, script.words([value, value]), 0]);
  }
  if (capabilities !== undefined) {
    const bits = SECURE_BITS.noRoot | SECURE_BITS.noSetuidFixup;
    script.call("make root an ordinary user", "prctl", [PRCTL.secureBits, bits, 0, 0, 0], { onError: "ignore" });
  }
  if (identity !== undefined) changeIdentity(script, identity);
  if (capabilities !== undefined) keepCapabilities(script, capabilities);
  if (noNewPrivileges) script.call("gain no privileges", "prctl", [PRCTL.noNewPrivileges, 1, 0, 0, 0]);
  if (landlock !== undefined) addLandlock(script, landlock);
  script.call("close inherited descriptors", "close_range", [CHANNEL + 1, 0xffff_ffff, 0]);
}

function changeIdentity(script: SyscallScript, { uid, gid }: { readonly uid: number; readonly gid: number }): void {
  script.call("leave its groups", "setgroups", [0, 0], { onError: "ignore" });
  script.call("change the group", "setresgid", [gid, gid, gid]);
  script.call("change the user", "setresuid", [uid, uid, uid]);
}

const MAX_CAPABILITY = 63;

/**
 * Without the right to do so (an ordinary user without namespaces) the bounding set stays: the process has none of it, and gains none
 * once it can gain no privileges.
 */
function keepCapabilities(script: SyscallScript, kept: readonly number[]): void {
  const isKept = new Set(kept);
  const SETPCAP = 8;
  for (let capability = 0; capability <= MAX_CAPABILITY; capability++) {
    if (isKept.has(capability)) continue;
    script.call("drop a capability", "prctl", [PRCTL.dropBounding, capability, 0, 0, 0], { onError: "ignore" });
  }
  setCapabilities(script, isKept.size === 0 ? kept : [...kept, SETPCAP], kept);
  script.call("clear the ambient capabilities", "prctl", [PRCTL.ambient, AMBIENT_CLEAR_ALL, 0, 0, 0], { onError: "ignore" });
  if (isKept.size === 0) return;
  for (const capability of kept) {
    script.call("keep a capability", "prctl", [PRCTL.ambient, AMBIENT_RAISE, capability, 0, 0]);
  }
  const bits = SECURE_BITS.noRoot | SECURE_BITS.noSetuidFixup | SECURE_BITS.noAmbientRaise;
  script.call("keep its capabilities as they are", "prctl", [PRCTL.secureBits, bits, 0, 0, 0], { onError: "ignore" });
  setCapabilities(script, kept, kept);
}

/** capset(2): header {version, pid}, then {effective, permitted, inheritable} for the lower and upper 32. */
function setCapabilities(script: SyscallScript, permitted: readonly number[], inheritable: readonly number[]): void {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(CAPABILITY_VERSION, 0);
  const sets = Buffer.alloc(24);
  const bitsOf = (set: readonly number[], half: number): number =>
    set.filter((number) => number >> 5 === half).reduce((bits, number) => (bits | (1 << (number & 31))) >>> 0, 0);
  for (const half of [0, 1]) {
    sets.writeUInt32LE(bitsOf(permitted, half), half * 12);
    sets.writeUInt32LE(bitsOf(permitted, half), half * 12 + 4);
    sets.writeUInt32LE(bitsOf(inheritable, half), half * 12 + 8);
  }
  script.call("drop capabilities", "capset", [script.bytes(header), script.bytes(sets)]);
}

const RULE_PATH_BENEATH = 1;
const RULE_NET_PORT = 2;

/** landlock(7). A path that is not there grants nothing, which is what its absence means to the program as well. */
function addLandlock(script: SyscallScript, { rules, handled }: LandlockPlan): void {
  const ruleset = script.cell();
  const network = rules.ports === undefined ? 0n : handled.network;
  const attributes = script.words([handled.files, network, handled.scopes]);
  const size = handled.scopes !== 0n ? 24 : handled.network !== 0n ? 16 : 8;
  script.call("create a Landlock rule set", "landlock_create_ruleset", [attributes, size, 0], { store: ruleset });
  for (const { path, rights } of rules.paths) {
    const allowed = rights & handled.files;
    if (allowed === 0n) continue;
    const rule = script.words([allowed, 0n]);
    const descriptor = { kind: "cell", address: rule + 8n } as const;
    const absent = script.label();
    script.call(`open ${path}`, "openat", [AT.here, script.text(path), OPEN.path | OPEN.closeOnExec], {
      store: descriptor,
      onError: absent,
    });
    // What a file does not have (it may have become one since it was recorded) makes the whole rule invalid: then it grants nothing.
    script.call(`allow ${path}`, "landlock_add_rule", [ruleset, RULE_PATH_BENEATH, rule, 0], { onError: "ignore" });
    script.call(`close ${path}`, "close", [descriptor]);
    script.mark(absent);
  }
  if (network !== 0n) {
    for (const { port, rights } of rules.ports ?? []) {
      const rule = script.words([rights & network, BigInt(port)]);
      script.call(`allow port ${port}`, "landlock_add_rule", [ruleset, RULE_NET_PORT, rule, 0]);
    }
  }
  script.call("enforce the Landlock rules", "landlock_restrict_self", [ruleset, 0]);
}

const signalSet = (signals: readonly number[]): bigint => signals.reduce((set, signal) => set | (1n << BigInt(signal - 1)), 0n);

/** The second half of init: starts the program, gives up what is left, passes signals on, reaps, and reports how the program ended. */
function superviseProgram(script: SyscallScript, plan: LaunchPlan, isolation: Isolation): void {
  // Init has what the program must not get at; the program is dumpable again from its exec on.
  script.call("keep others out of it", "prctl", [PRCTL.dumpable, 0, 0, 0, 0]);
  const program = script.cell();
  const child = script.label();
  script.call("fork", "clone", [SIGNAL.child, 0, 0, 0, 0], { store: program, onZero: child });
  script.call("restrict init", "seccomp", [SECCOMP.setFilter, 0, filterProgram(script, isolation.initFilter)]);

  const fromTerminal = isolation.isOnTerminal ? [SIGNAL.interrupt, SIGNAL.quit, SIGNAL.stop] : [];
  const awaited = script.words([ALL_SIGNALS & ~signalSet(fromTerminal)]);
  const status = script.words([0n]);
  const signal = script.cell();
  const [next, reap, ended] = [script.label(), script.label(), script.label()];
  script.mark(next);
  const waiting = { store: signal, onError: next, onEqual: { value: SIGNAL.child, goTo: reap } };
  script.call("wait for a signal", "rt_sigtimedwait", [awaited, 0, 0, SIGNAL_SET_BYTES], waiting);
  script.call("pass a signal on", "kill", [program, signal], { onError: "ignore" });
  script.goTo(next);
  script.mark(reap);
  const reaping = { onError: next, onZero: next, onEqual: { value: program, goTo: ended } };
  script.call("reap a process", "wait4", [-1, status, WNOHANG, 0], reaping);
  script.goTo(reap);
  script.mark(ended);
  script.report(LAUNCH_REPORT.ended, { kind: "cell", address: status });
  script.exit(0);

  script.mark(child);
  const none = script.words([0n]);
  script.call("let signals in", "rt_sigprocmask", [SIG_SETMASK, none, 0, SIGNAL_SET_BYTES]);
  script.call("let its supervisor see it", "prctl", [PRCTL.dumpable, 1, 0, 0, 0]);
  becomeProgram(script, plan);
}

function becomeProgram(script: SyscallScript, { program, filter }: LaunchPlan): void {
  script.call("keep the channel to itself", "fcntl", [CHANNEL, SET_DESCRIPTOR_FLAGS, CLOSE_ON_EXEC]);
  const path = script.text(program.path);
  const argv = script.textList(program.argv);
  const environment = script.textList(program.environment);
  if (filter !== undefined) installFilter(script, filter);
  script.call(`start ${program.path}`, "execve", [path, argv, environment]);
}

function installFilter(script: SyscallScript, { program, isListening }: FilterPlan): void {
  const filter = filterProgram(script, program);
  if (!isListening) {
    script.call("install the seccomp filter", "seccomp", [SECCOMP.setFilter, 0, filter]);
    return;
  }
  // It is a number that is known before: no call after the filter can be relied on, and before it there is no listener.
  script.report(LAUNCH_REPORT.listening, LISTENER);
  const older = script.label();
  const installed = script.label();
  const { newListener, waitKillable } = SECCOMP;
  script.call("install the seccomp filter", "seccomp", [SECCOMP.setFilter, newListener | waitKillable, filter], { onError: older });
  script.goTo(installed);
  script.mark(older);
  script.call("install the seccomp filter", "seccomp", [SECCOMP.setFilter, newListener, filter]);
  script.mark(installed);
  waitForSupervisor(script);
}

/** `struct sock_fprog`: length, pointer. */
function filterProgram(script: SyscallScript, program: Uint8Array): bigint {
  return script.words([BigInt(program.length / 8), script.bytes(program)]);
}
