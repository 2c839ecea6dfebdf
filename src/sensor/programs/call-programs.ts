/**
 * Programs on the begin and the end of system calls, attached only while somebody needs calls told: every call of the host pays for them.
 * What a call was is told when it returns. Which file an `open` or a socket is about is read from the kernel then. Texts that the kernel
 * does not keep are copied when the call begins; a thread of the same process can still change them between that copy and the kernel's
 * own, so that they are told, never decided upon.
 */
import type { Btf } from "../../ebpf/btf/btf.ts";
import type { Code } from "../../ebpf/builder/code.ts";
import { Scalar } from "../../ebpf/builder/expression.ts";
import type { KernelPointer } from "../../ebpf/builder/kernel-pointer.ts";
import type { Memory } from "../../ebpf/builder/memory.ts";
import { tracepointProgram } from "../../ebpf/builder/program.ts";
import { bytes, type StructLayout, struct, u8, u32, u64 } from "../../ebpf/layout.ts";
import { arrayMap, hashMap, type MapSpec } from "../../ebpf/map-spec.ts";
import type { ProgramSpec } from "../../ebpf/program-spec.ts";
import type { Architecture } from "../../linux/syscall-numbers.ts";
import { assemblyMap, type CountedRing, RecordAssembly } from "./assembly.ts";
import type { CallRing, CallRow } from "./call-table.ts";
import { ARGUMENT_COUNT, CALL_RECORD, type CallRecord, RECORD_FLAG, RECORD_KIND, TEXT_BYTES } from "./record-layouts.ts";
import { writeTaskFacts } from "./task-facts.ts";

/** What is copied with a call. Registers are counted from one; zero is none. */
export interface CallPlan {
  readonly ring: number;
  readonly isKept: number;
  readonly first: number;
  readonly firstDirectory: number;
  readonly second: number;
  readonly secondDirectory: number;
  readonly descriptor: number;
  readonly address: number;
}

const CALL_PLAN: StructLayout<CallPlan> = struct("CallPlan", {
  ring: u8,
  isKept: u8,
  first: u8,
  firstDirectory: u8,
  second: u8,
  secondDirectory: u8,
  descriptor: u8,
  address: u8,
});

export interface CallScope {
  /** The process that is never told of: the one that reads. */
  readonly ownPid: number;
  /** 1 when only cgroups in the map are told of. */
  readonly isLimited: number;
}

const CALL_SCOPE: StructLayout<CallScope> = struct("CallScope", { ownPid: u32, isLimited: u32 });

export interface CallPrograms {
  readonly enter: ProgramSpec;
  readonly exit: ProgramSpec;
  readonly plans: MapSpec<number, CallPlan>;
  readonly scope: MapSpec<number, CallScope>;
  readonly cgroups: MapSpec<bigint, number>;
}

const RING_NUMBER: Readonly<Record<CallRing, number>> = { process: 1, file: 2, network: 3 };
/** In a place of a register: the working directory, or the result of the call. */
const SPECIAL = 8;
const MAX_NUMBERS = 512;
const MAX_CGROUPS = 4096;
/** Calls at once whose texts are kept. */
const MAX_KEPT = 512;
const ADDRESS_BYTES = 128;

export const planOf = ({ ring, isKept, texts: [first, second], descriptor, address }: CallRow): CallPlan => {
  const place = (at: number | "cwd" | "result" | undefined): number => (at === undefined ? 0 : typeof at === "number" ? at + 1 : SPECIAL);
  return {
    ring: RING_NUMBER[ring],
    isKept: isKept ? 1 : 0,
    first: place(first?.register),
    firstDirectory: place(first?.directory),
    second: place(second?.register),
    secondDirectory: place(second?.directory),
    descriptor: place(descriptor),
    address: place(address),
  };
};

interface Kept {
  readonly number: number;
  readonly firstLength: number;
  readonly secondLength: number;
  readonly addressLength: number;
  readonly first: Uint8Array;
  readonly second: Uint8Array;
  readonly address: Uint8Array;
}

const KEPT: StructLayout<Kept> = struct("Kept", {
  number: u32,
  firstLength: u32,
  secondLength: u32,
  addressLength: u32,
  first: bytes(TEXT_BYTES),
  second: bytes(TEXT_BYTES),
  address: bytes(ADDRESS_BYTES),
});

/** Registers of arguments as they are when the call has returned. */
const REGISTERS: Readonly<Record<Architecture, readonly string[]>> = {
  x64: ["di", "si", "dx", "r10", "r8", "r9"],
  arm64: ["orig_x0", "regs[1]", "regs[2]", "regs[3]", "regs[4]", "regs[5]"],
};

/** Thread flag of a call of the 32-bit ABI, whose numbers are others (arch/x86/include/asm/thread_info.h). */
const TS_COMPAT = 2;
const TIF_32BIT = 1 << 22;
const AT_FDCWD = 0xffff_ff9c;
const SLASH = 0x2f;
const S_IFMT = 0xf000;
const S_IFSOCK = 0xc000;
const AF_INET = 2;
const AF_INET6 = 10;

export function callPrograms(btf: Btf, architecture: Architecture, rings: Readonly<Record<CallRing, CountedRing>>): CallPrograms {
  const plans = arrayMap("call_plans", { value: CALL_PLAN, maxEntries: MAX_NUMBERS });
  const scope = arrayMap("call_scope", { value: CALL_SCOPE, maxEntries: 1 });
  const cgroups = hashMap("call_cgroups", { key: u64, value: u32, maxEntries: MAX_CGROUPS });
  const kept = hashMap("kept_texts", { key: u32, value: KEPT, maxEntries: MAX_KEPT, type: "lru_hash" });
  const keeping = arrayMap("keeping", { value: KEPT, maxEntries: 1, perCpu: true });
  const assembly = assemblyMap("call_assembly", CALL_RECORD);

  /** The plan of the call; ends the program for calls that nobody wants told. */
  const wanted = (code: Code, task: KernelPointer<"task_struct">, number: Scalar): Memory<CallPlan> => {
    code.if(number.ge(MAX_NUMBERS), () => code.return(0));
    const plan = code.orElse(code.lookup(plans, number), () => code.return(0));
    code.if(plan.get("ring").eq(0), () => code.return(0));
    const isForeign =
      architecture === "x64" ? task.field("thread_info.status").hasAny(TS_COMPAT) : task.field("thread_info.flags").hasAny(TIF_32BIT);
    code.if(isForeign, () => code.return(0));
    const limits = code.globalValue(scope);
    code.if(task.field("tgid").eq(limits.get("ownPid")), () => code.return(0));
    code.if(limits.get("isLimited").ne(0), () => {
      code.orElse(code.lookup(cgroups, task.field("cgroups.dfl_cgrp.kn.id")), () => code.return(0));
    });
    return plan;
  };

  const enter = tracepointProgram("sense_call_in", { btf, tracepoint: "sys_enter" }, (code, args) => {
    const number = code.let(args.scalar("id"), "number");
    const task = code.currentTask();
    const plan = wanted(code, task, number);
    code.if(plan.get("isKept").eq(0), () => code.return(0));
    const registers = args.pointer("regs");
    const values = code.stack(ARGUMENTS);
    for (const [index, name] of ARGUMENT_NAMES.entries())
      values.set(name, registers.field(index === 0 && architecture === "arm64" ? "regs[0]" : (REGISTERS[architecture][index] ?? "")));
    const memory = code.orElse(code.lookup(keeping, 0), () => code.return(0));
    memory.set("number", number);
    const argument = (place: Scalar): Scalar => chosen(code, values, place);
    for (const text of ["first", "second"] as const) {
      memory.set(`${text}Length`, 0);
      code.if(plan.get(text).ne(0), () => {
        const length = code.call("probe_read_user_str", memory.at(text), argument(plan.get(text)));
        code.if(length.sgt(0), () => memory.set(`${text}Length`, length));
      });
    }
    memory.set("addressLength", 0);
    code.if(plan.get("address").ne(0), () => {
      const length = addressLength(code, argument(plan.get("address").add(1)));
      const failure = code.call(
        "probe_read_user",
        { memory: memory.at("address"), size: length.and(ADDRESS_BYTES - 1) },
        argument(plan.get("address")),
      );
      code.if(failure.eq(0), () => memory.set("addressLength", length));
    });
    code.update(kept, task.field("pid"), memory);
  });

  const exit = tracepointProgram("sense_call_out", { btf, tracepoint: "sys_exit" }, (code, args) => {
    const registers = args.pointer("regs");
    const number = code.let(registers.field(architecture === "x64" ? "orig_ax" : "syscallno").low32(), "number");
    const current = code.currentTask();
    const plan = wanted(code, current, number);
    const task = code.cast(current.value(), "task_struct");
    const record = new RecordAssembly(code, btf, assembly);
    const { fields } = record;
    fields.set("kind", RECORD_KIND.call);
    fields.set("time", code.call("ktime_get_boot_ns"));
    writeTaskFacts(code, btf, task, fields.at("task"));
    fields.set("result", args.scalar("ret"));
    fields.set("number", number);
    fields.set("cpu", code.call("get_smp_processor_id"));
    const values = fields.at("args");
    for (let index = 0; index < ARGUMENT_COUNT; index++)
      values.element(index).setValue(registers.field(REGISTERS[architecture][index] ?? ""));
    const argument = (place: Scalar): Scalar => values.element(place.sub(1).and(7)).value();
    for (const name of LENGTHS) fields.set(name, 0);
    copyTexts(code, { record, task, plan, kept, argument, number });
    for (const text of ["first", "second"] as const) copyDirectory(code, { record, task, plan, argument, text });
    const descriptor = code.variable(0xffff_ffff, "descriptor");
    code.if(plan.get("descriptor").eq(SPECIAL), () => code.assign(descriptor, args.scalar("ret").low32()));
    code.if(plan.get("descriptor").ne(0).and(plan.get("descriptor").ne(SPECIAL)), () =>
      code.assign(descriptor, argument(plan.get("descriptor")).low32()),
    );
    clearSocket(fields);
    withFile(code, task, descriptor, (file) => {
      const mode = code.let(file.field("f_inode.i_mode"), "mode");
      fields.set("mode", mode);
      code.if(
        mode.and(S_IFMT).eq(S_IFSOCK),
        () => writeSocket(code, file, fields),
        () => fields.set("pathLength", record.path(file.field("f_path.dentry"), file.field("f_path.mnt"))),
      );
    });
    code.if(plan.get("ring").eq(RING_NUMBER.process), () => record.submit(rings.process));
    code.if(plan.get("ring").eq(RING_NUMBER.file), () => record.submit(rings.file));
    code.if(plan.get("ring").eq(RING_NUMBER.network), () => record.submit(rings.network));
  });
  return { enter, exit, plans, scope, cgroups };
}

type ArgumentName = "a0" | "a1" | "a2" | "a3" | "a4" | "a5";
const ARGUMENTS: StructLayout<{ readonly [K in ArgumentName]: bigint }> = struct("Arguments", {
  a0: u64,
  a1: u64,
  a2: u64,
  a3: u64,
  a4: u64,
  a5: u64,
});
const ARGUMENT_NAMES = ["a0", "a1", "a2", "a3", "a4", "a5"] as const satisfies readonly ArgumentName[];
const LENGTHS = [
  "mode",
  "firstLength",
  "firstDirectoryLength",
  "secondLength",
  "secondDirectoryLength",
  "pathLength",
  "addressLength",
] as const;

/** The register of a place that is only known when the program runs. */
function chosen(code: Code, values: Memory<{ readonly [K in ArgumentName]: bigint }>, place: Scalar): Scalar {
  const value = code.variable(0, "argument");
  const at = code.let(place, "place");
  for (const [index, name] of ARGUMENT_NAMES.entries()) code.if(at.eq(index + 1), () => code.assign(value, values.get(name)));
  return value;
}

function addressLength(code: Code, given: Scalar): Scalar {
  const length = code.variable(given.low32(), "length");
  code.if(length.ge(ADDRESS_BYTES), () => code.assign(length, ADDRESS_BYTES - 1));
  return length;
}

interface Copying {
  readonly record: RecordAssembly<CallRecord>;
  readonly task: KernelPointer<"task_struct">;
  readonly plan: Memory<CallPlan>;
  readonly argument: (place: Scalar) => Scalar;
}

/** The texts and the address: as they were kept when the call began, else as they are now. */
function copyTexts(
  code: Code,
  { record, task, plan, kept, argument, number }: Copying & { readonly kept: MapSpec<number, Kept>; readonly number: Scalar },
): void {
  const { fields } = record;
  const isFound = code.variable(0, "is found");
  code.if(plan.get("isKept").ne(0), () => {
    const thread = task.field("pid");
    code.ifNonNull(code.lookup(kept, thread), (memory) => {
      code.if(memory.get("number").eq(number), () => {
        code.assign(isFound, 1);
        record.flag(RECORD_FLAG.isFromEntry);
        const address = (field: "first" | "second" | "address"): Scalar => new Scalar(memory.at(field).base);
        fields.set("firstLength", record.octets("kernel", address("first"), memory.get("firstLength")));
        fields.set("secondLength", record.octets("kernel", address("second"), memory.get("secondLength")));
        fields.set("addressLength", record.octets("kernel", address("address"), memory.get("addressLength")));
      });
      code.delete(kept, thread);
    });
  });
  code.if(
    isFound
      .ne(0)
      .and(fields.get("firstLength").ne(0).or(plan.get("first").eq(0)))
      .not(),
    () => {
      code.if(plan.get("first").ne(0), () => fields.set("firstLength", record.text("user", argument(plan.get("first")))));
      code.if(plan.get("second").ne(0).and(fields.get("secondLength").eq(0)), () =>
        fields.set("secondLength", record.text("user", argument(plan.get("second")))),
      );
      code.if(plan.get("address").ne(0).and(fields.get("addressLength").eq(0)), () => {
        const length = addressLength(code, argument(plan.get("address").add(1)));
        fields.set("addressLength", record.octets("user", argument(plan.get("address")), length));
      });
    },
  );
}

/** Where a path that is relative starts from. */
function copyDirectory(code: Code, { record, task, plan, argument, text }: Copying & { readonly text: "first" | "second" }): void {
  const { fields } = record;
  const place = code.let(plan.get(`${text}Directory`), "place");
  code.if(
    place.eq(0).or(fields.get(`${text}Length`).le(1)),
    () => undefined,
    () => {
      const skipped = text === "first" ? 0 : fields.get("firstLength");
      code.if(record.octetAt(skipped).ne(SLASH), () => {
        const descriptor = code.variable(AT_FDCWD, "directory");
        code.if(place.ne(SPECIAL), () => code.assign(descriptor, argument(place).low32()));
        code.if(
          descriptor.eq(AT_FDCWD),
          () => fields.set(`${text}DirectoryLength`, record.path(task.field("fs.pwd.dentry"), task.field("fs.pwd.mnt"))),
          () =>
            withFile(code, task, descriptor, (file) =>
              fields.set(`${text}DirectoryLength`, record.path(file.field("f_path.dentry"), file.field("f_path.mnt"))),
            ),
        );
      });
    },
  );
}

/** The open file behind a descriptor of the task; nothing is done when there is none. */
function withFile(code: Code, task: KernelPointer<"task_struct">, descriptor: Scalar, then: (file: KernelPointer<"file">) => void): void {
  const table = task.pointer("files.fdt");
  code.if(descriptor.lt(table.field("max_fds")), () => {
    const address = code.stack(u64);
    const failure = code.call("probe_read_kernel", address, table.field("fd").add(descriptor.shl(3)));
    code.if(failure.eq(0).and(address.value().ne(0)), () => then(code.cast(address.value(), "file")));
  });
}

function clearSocket(fields: Memory<CallRecord>): void {
  fields.at("socket").clear();
}

function writeSocket(code: Code, file: KernelPointer<"file">, fields: Memory<CallRecord>): void {
  const socket = fields.at("socket");
  const sk = code.cast(code.cast(file.field("private_data"), "socket").field("sk"), "sock");
  const family = code.let(sk.field("__sk_common.skc_family"), "family");
  socket.set("family", family);
  socket.set("type", sk.field("sk_type"));
  socket.set("protocol", sk.field("sk_protocol"));
  socket.set("state", sk.field("__sk_common.skc_state"));
  code.if(family.eq(AF_INET).or(family.eq(AF_INET6)), () => {
    socket.set("localPort", sk.field("__sk_common.skc_num"));
    socket.set("remotePort", sk.field("__sk_common.skc_dport").bigEndian(16));
  });
  const copy = (to: "local" | "remote", from: string): void =>
    code.run("probe_read_kernel", { memory: socket.at(to), size: from.includes("v6") ? 16 : 4 }, sk.address(`__sk_common.${from}`));
  code.if(family.eq(AF_INET), () => {
    copy("local", "skc_rcv_saddr");
    copy("remote", "skc_daddr");
  });
  code.if(family.eq(AF_INET6), () => {
    copy("local", "skc_v6_rcv_saddr");
    copy("remote", "skc_v6_daddr");
  });
}
