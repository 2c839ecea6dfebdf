/**
 * Programs on hooks that are passed seldom: where connections begin, ports are bound and opened, signals are sent, and capabilities are
 * asked for. What they tell needs no program on system calls, for which every call of the host would pay.
 */
import type { Btf } from "../../ebpf/btf/btf.ts";
import { tracepointOf } from "../../ebpf/btf/kernel-name.ts";
import type { Code } from "../../ebpf/builder/code.ts";
import type { ScalarLike } from "../../ebpf/builder/expression.ts";
import { KernelPointer } from "../../ebpf/builder/kernel-pointer.ts";
import type { Memory } from "../../ebpf/builder/memory.ts";
import { type SocketAddressHook, socketAddressProgram, tracepointProgram } from "../../ebpf/builder/program.ts";
import { type StructLayout, struct, u32, u64 } from "../../ebpf/layout.ts";
import { arrayMap, hashMap, type MapSpec } from "../../ebpf/map-spec.ts";
import type { ProgramSpec } from "../../ebpf/program-spec.ts";
import type { Architecture } from "../../linux/syscall-numbers.ts";
import { assemblyMap, type CountedRing } from "./assembly.ts";
import { CALL_PLAN, type CallPlan, callNumber, isForeignCall, tellCall } from "./call-record.ts";
import type { CallRing } from "./call-table.ts";
import { plainPointer } from "./plain-pointer.ts";
import { CALL_RECORD, HOOK_NUMBER, HOOK_RECORD, type HookKind, type HookRecord, RECORD_KIND } from "./record-layouts.ts";
import { writeTaskFacts } from "./task-facts.ts";

/** Calls that are told when the kernel asks for one of these capabilities in them. */
export interface AttemptPlan {
  /** Bit set of capabilities. */
  readonly capabilities: bigint;
  readonly plan: CallPlan;
}

const ATTEMPT_PLAN: StructLayout<AttemptPlan> = struct("AttemptPlan", { capabilities: u64, plan: CALL_PLAN });

export interface CapabilityScope {
  /** Bit set of capabilities that anybody wants to know of. */
  readonly capabilities: bigint;
  /** The process that is never told of. */
  readonly ownPid: number;
  /** 1: the first use of each capability by each program is told, too. */
  readonly isTellingUse: number;
}

const CAPABILITY_SCOPE: StructLayout<CapabilityScope> = struct("CapabilityScope", { capabilities: u64, ownPid: u32, isTellingUse: u32 });

/** What a program has used already. */
interface UsedCapabilities {
  readonly start: bigint;
  readonly execution: bigint;
  readonly allowed: bigint;
  readonly refused: bigint;
}

const USED: StructLayout<UsedCapabilities> = struct("UsedCapabilities", { start: u64, execution: u64, allowed: u64, refused: u64 });

/** Makes the programs that are wanted: each is made for this kernel, which may not have what another one needs. */
export interface HookPrograms {
  readonly connect: () => readonly ProgramSpec[];
  readonly bind: () => readonly ProgramSpec[];
  readonly listen: () => ProgramSpec;
  readonly signal: () => ProgramSpec;
  readonly capability: () => CapabilityProgram;
}

export interface CapabilityProgram {
  readonly program: ProgramSpec;
  /** By number of the call. */
  readonly attempts: MapSpec<number, AttemptPlan>;
  readonly scope: MapSpec<number, CapabilityScope>;
}

type Rings = Readonly<Record<"process" | "network", CountedRing>>;

const CAPABILITY_TRACEPOINT = "cap_capable";
const MAX_NUMBERS = 512;
const MAX_PROGRAMS = 16_384;
const ALLOW = 1;
const TCP_LISTEN = 10;
const AF_INET = 2;
const AF_INET6 = 10;
const ADDRESS_WORDS = 4;

export function hookPrograms(btf: Btf, architecture: Architecture, rings: Rings): HookPrograms {
  const address = (kind: "connect" | "bind", hook: SocketAddressHook): ProgramSpec => addressProgram(btf, rings.network, kind, hook);
  return {
    connect: () => [address("connect", "connect4"), address("connect", "connect6")],
    bind: () => [address("bind", "bind4"), address("bind", "bind6")],
    listen: () => listenProgram(btf, rings.network),
    signal: () => signalProgram(btf, rings.process),
    capability: () => capabilityProgram(btf, architecture, rings),
  };
}

/** Linux 6.13 and later say when they ask for a capability. */
export function tellsCapabilities(btf: Btf): boolean {
  try {
    tracepointOf(btf, CAPABILITY_TRACEPOINT);
    return true;
  } catch {
    return false; // This kernel has no such tracepoint.
  }
}

/** Writes a record about the running task; `write` has to set what is not zero. */
function tell(code: Code, btf: Btf, { ring, losses }: CountedRing, kind: HookKind, write: (record: Memory<HookRecord>) => void): void {
  const record = code.stack(HOOK_RECORD);
  record.clear();
  record.set("kind", RECORD_KIND.hook);
  record.set("time", code.call("ktime_get_boot_ns"));
  record.set("hook", HOOK_NUMBER[kind]);
  writeTaskFacts(code, btf, code.currentTask(), record.at("task"));
  write(record);
  const failure = code.call("ringbuf_output", ring, record, 0);
  code.if(failure.ne(0), () => code.ifNonNull(code.lookup(losses, 0), (lost) => lost.incrementValue()));
}

/** Where a socket is given the address of a peer, or its own. What is refused by a program before this one is told as refused. */
function addressProgram(btf: Btf, ring: CountedRing, kind: "connect" | "bind", hook: SocketAddressHook): ProgramSpec {
  const isVersion4 = hook.endsWith("4");
  return socketAddressProgram(`sense_${hook}`, { btf, hook }, (code, context) => {
    tell(code, btf, ring, kind, (record) => {
      record.set("result", code.call("get_retval"));
      const socket = record.at("socket");
      socket.set("family", isVersion4 ? AF_INET : AF_INET6);
      socket.set("type", context.get("type"));
      socket.set("protocol", context.get("protocol"));
      const [port, octets] = kind === "connect" ? (["remotePort", "remote"] as const) : (["localPort", "local"] as const);
      socket.set(port, context.get("user_port").bigEndian(16));
      const words = socket.at(octets) as Memory<unknown>;
      if (isVersion4) words.as(u32).setValue(context.get("user_ip4"));
      else for (let word = 0; word < ADDRESS_WORDS; word++) words.as(u32, 4 * word).setValue(context.at("user_ip6").element(word).value());
    });
    code.return(ALLOW);
  });
}

/** A socket of TCP that begins to listen. */
function listenProgram(btf: Btf, ring: CountedRing): ProgramSpec {
  return tracepointProgram("sense_listen", { btf, tracepoint: "inet_sock_set_state" }, (code, args) => {
    code.if(args.scalar("newstate").low32().ne(TCP_LISTEN), () => code.return(0));
    const sk = plainPointer(code, args.pointer("sk"), "sock");
    tell(code, btf, ring, "listen", (record) => {
      const socket = record.at("socket");
      const family = code.let(sk.field("__sk_common.skc_family"), "family");
      socket.set("family", family);
      socket.set("type", sk.field("sk_type"));
      socket.set("protocol", sk.field("sk_protocol"));
      socket.set("state", TCP_LISTEN);
      socket.set("localPort", sk.field("__sk_common.skc_num"));
      const copy = (from: string, size: number): void =>
        code.run("probe_read_kernel", { memory: socket.at("local"), size }, sk.address(`__sk_common.${from}`));
      code.if(family.eq(AF_INET), () => copy("skc_rcv_saddr", 4));
      code.if(family.eq(AF_INET6), () => copy("skc_v6_rcv_saddr", 16));
    });
  });
}

/** In the place of a description of who sends a signal: nobody in particular, or the kernel (include/linux/sched/signal.h). */
const SEND_SIG_PRIV = 1;
const SI_USER = 0;
const SI_KERNEL = 0x80;
const SI_QUEUE = -1;
const SI_TKILL = -6;
/** Signals by which the kernel ends what has gone wrong: SIGILL, SIGBUS, SIGFPE, SIGSEGV, SIGSYS (x86-64 and arm64). */
const FAULTS = [4, 7, 8, 11, 31];
const SIGKILL = 9;

/** Signals that a process sends to another one, faults, and what the kernel kills. Timers, children that end and the like are not told. */
function signalProgram(btf: Btf, ring: CountedRing): ProgramSpec {
  return tracepointProgram("sense_signal", { btf, tracepoint: "signal_generate" }, (code, args) => {
    const signal = code.let(args.scalar("sig").low32(), "signal");
    code.if(signal.eq(0), () => code.return(0));
    const info = code.let(args.scalar("info"), "info");
    const sender = code.variable(SI_USER, "code");
    code.if(info.eq(SEND_SIG_PRIV), () => code.assign(sender, SI_KERNEL));
    code.if(info.gt(SEND_SIG_PRIV), () => code.assign(sender, code.cast(info, "kernel_siginfo").field("si_code").low32()));
    const isSent = code.variable(0, "is sent");
    for (const from of [SI_USER, SI_QUEUE, SI_TKILL]) code.if(sender.low32().eq(from >>> 0), () => code.assign(isSent, 1));
    const isFault = code.variable(0, "is fault");
    for (const fault of FAULTS) code.if(signal.eq(fault), () => code.assign(isFault, 1));
    code.if(signal.eq(SIGKILL).and(sender.low32().eq(SI_KERNEL)), () => code.assign(isFault, 1));
    code.if(isSent.or(isFault).eq(0), () => code.return(0));
    const target = args.pointer<"task_struct">("task");
    tell(code, btf, ring, "signal", (record) => {
      record.set("first", signal);
      record.set("second", target.field("tgid"));
      record.set("third", sender);
    });
  });
}

/** Tasks of the kernel's own (`PF_KTHREAD`) are in no call. */
const PF_KTHREAD = 0x0020_0000;
const CAP_SYS_ADMIN = 21n;
/** Calls in which the kernel asks for CAP_SYS_ADMIN only to account for memory: mmap, mprotect, brk, mremap, clone, fork, vfork, execve, execveat, clone3. */
const ACCOUNTING: Readonly<Record<Architecture, readonly number[]>> = {
  x64: [9, 10, 12, 25, 56, 57, 58, 59, 322, 435],
  arm64: [222, 226, 214, 216, 220, 221, 281, 435],
};

function capabilityProgram(btf: Btf, architecture: Architecture, rings: Rings): CapabilityProgram {
  const attempts = arrayMap("attempt_plans", { value: ATTEMPT_PLAN, maxEntries: MAX_NUMBERS });
  const scope = arrayMap("cap_scope", { value: CAPABILITY_SCOPE, maxEntries: 1 });
  const used = hashMap("cap_used", { key: u32, value: USED, maxEntries: MAX_PROGRAMS, type: "lru_hash" });
  const assembly = assemblyMap("attempting", CALL_RECORD);
  const program = tracepointProgram("sense_capable", { btf, tracepoint: CAPABILITY_TRACEPOINT }, (code, args) => {
    const limits = code.globalValue(scope);
    const number = code.let(args.scalar("cap").low32().and(0x3f), "capability");
    code.if(limits.get("capabilities").shr(number).and(1).eq(0), () => code.return(0));
    const current = code.currentTask();
    const task = plainPointer(code, current, "task_struct");
    code.if(task.field("tgid").eq(limits.get("ownPid")), () => code.return(0));
    code.if(task.field("flags").hasAny(PF_KTHREAD), () => code.return(0));
    const result = code.let(args.scalar("ret").shl(32).sar(32), "result");
    const found = new KernelPointer<"pt_regs">(
      btf,
      btf.idOf("pt_regs", "struct"),
      code.let(code.call("task_pt_regs", current), "registers").expression,
    );
    const registers = plainPointer(code, found, "pt_regs");
    const call = code.let(callNumber(registers, architecture), "call");
    code.if(call.lt(MAX_NUMBERS), () =>
      code.ifNonNull(code.lookup(attempts, call), (attempt) => {
        const isAsked = attempt.get("capabilities").shr(number).and(1).ne(0);
        code.if(isAsked.and(isForeignCall(task, architecture).eq(0)), () => {
          const told: Readonly<Partial<Record<CallRing, CountedRing>>> = rings;
          tellCall(code, { btf, architecture, assembly, task, registers, number: call, plan: attempt.at("plan"), result, rings: told });
        });
      }),
    );
    code.if(limits.get("isTellingUse").eq(0), () => code.return(0));
    code.if(number.eq(CAP_SYS_ADMIN), () => {
      for (const accounting of ACCOUNTING[architecture]) code.if(call.eq(accounting), () => code.return(0));
    });
    tellFirstUse(code, btf, rings.process, { used, number, call, result });
  });
  return { program, attempts, scope };
}

interface CapabilityUse {
  readonly used: MapSpec<number, UsedCapabilities>;
  readonly number: ScalarLike & object;
  readonly call: ScalarLike;
  readonly result: ScalarLike;
}

/** Tells of a capability once for each program of each process, and once more when it is refused. */
function tellFirstUse(code: Code, btf: Btf, ring: CountedRing, { used, number, call, result }: CapabilityUse): void {
  const task = plainPointer(code, code.currentTask(), "task_struct");
  const pid = code.let(task.field("tgid"), "pid");
  const start = code.let(task.field("group_leader.start_boottime"), "start");
  const execution = code.let(task.field("self_exec_id"), "execution");
  const bit = code.variable(1, "bit");
  code.assign(bit, bit.shl(number));
  const isNew = code.variable(1, "is new");
  code.ifNonNull(code.lookup(used, pid), (known) => {
    code.if(known.get("start").eq(start).and(known.get("execution").eq(execution)), () => {
      code.assign(isNew, 2);
      code.if(
        code.let(result, "result").eq(0),
        () => {
          code.if(known.get("allowed").and(bit).ne(0), () => code.return(0));
          known.setBits("allowed", bit);
        },
        () => {
          code.if(known.get("refused").and(bit).ne(0), () => code.return(0));
          known.setBits("refused", bit);
        },
      );
    });
  });
  code.if(isNew.eq(1), () => {
    const first = code.stack(USED, { start, execution, allowed: 0, refused: 0 });
    code.if(
      code.let(result, "result").eq(0),
      () => first.set("allowed", bit),
      () => first.set("refused", bit),
    );
    code.update(used, pid, first);
  });
  tell(code, btf, ring, "capability", (record) => {
    record.set("first", number);
    record.set("second", call);
    record.set("result", result);
  });
}
