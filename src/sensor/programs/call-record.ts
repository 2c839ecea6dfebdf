/** How a system call is told: what its registers are about is copied into its record, when it returns or while it runs. */
import type { Btf } from "../../ebpf/btf/btf.ts";
import type { Code } from "../../ebpf/builder/code.ts";
import { Scalar } from "../../ebpf/builder/expression.ts";
import type { KernelPointer } from "../../ebpf/builder/kernel-pointer.ts";
import type { Memory } from "../../ebpf/builder/memory.ts";
import { bytes, type StructLayout, struct, u8, u32, u64 } from "../../ebpf/layout.ts";
import type { MapSpec } from "../../ebpf/map-spec.ts";
import type { Architecture } from "../../linux/syscall-numbers.ts";
import { type CountedRing, RecordAssembly } from "./assembly.ts";
import type { CallRing, CallRow } from "./call-table.ts";
import { ARGUMENT_COUNT, type CallRecord, RECORD_FLAG, RECORD_KIND, TEXT_BYTES } from "./record-layouts.ts";
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

export const CALL_PLAN: StructLayout<CallPlan> = struct("CallPlan", {
  ring: u8,
  isKept: u8,
  first: u8,
  firstDirectory: u8,
  second: u8,
  secondDirectory: u8,
  descriptor: u8,
  address: u8,
});

const ADDRESS_BYTES = 128;
const RING_NUMBER: Readonly<Record<CallRing, number>> = { process: 1, file: 2, network: 3 };
/** In a place of a register: the working directory, or the result of the call. */
const SPECIAL = 8;

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

/** Texts of a call as they were when it began. */
export interface Kept {
  readonly number: number;
  readonly firstLength: number;
  readonly secondLength: number;
  readonly addressLength: number;
  readonly first: Uint8Array;
  readonly second: Uint8Array;
  readonly address: Uint8Array;
}

export const KEPT: StructLayout<Kept> = struct("Kept", {
  number: u32,
  firstLength: u32,
  secondLength: u32,
  addressLength: u32,
  first: bytes(TEXT_BYTES),
  second: bytes(TEXT_BYTES),
  address: bytes(ADDRESS_BYTES),
});

/** Registers of arguments, as they also are when the call has returned. */
export const REGISTERS: Readonly<Record<Architecture, readonly string[]>> = {
  x64: ["di", "si", "dx", "r10", "r8", "r9"],
  arm64: ["orig_x0", "regs[1]", "regs[2]", "regs[3]", "regs[4]", "regs[5]"],
};

const AT_FDCWD = 0xffff_ff9c;
const SLASH = 0x2f;
const S_IFMT = 0xf000;
const S_IFSOCK = 0xc000;
const AF_INET = 2;
const AF_INET6 = 10;

const LENGTHS = [
  "mode",
  "firstLength",
  "firstDirectoryLength",
  "secondLength",
  "secondDirectoryLength",
  "pathLength",
  "addressLength",
] as const;

/** How many bytes of the address of a socket are copied. */
export function addressLength(code: Code, given: Scalar): Scalar {
  const length = code.variable(given.low32(), "length");
  code.if(length.ge(ADDRESS_BYTES), () => code.assign(length, ADDRESS_BYTES - 1));
  return length;
}

/** The number of the call that a task is in, or returns from. */
export const callNumber = (registers: KernelPointer, architecture: Architecture): Scalar =>
  registers.field(architecture === "x64" ? "orig_ax" : "syscallno").low32();

/** Thread flag of a call of the 32-bit ABI, whose numbers are others (arch/x86/include/asm/thread_info.h). */
const TS_COMPAT = 2;
const TIF_32BIT = 1 << 22;

/** Whether the call is of the 32-bit ABI. */
export const isForeignCall = (task: KernelPointer<"task_struct">, architecture: Architecture): Scalar =>
  architecture === "x64" ? task.field("thread_info.status").and(TS_COMPAT) : task.field("thread_info.flags").and(TIF_32BIT);

export interface ToldCall {
  readonly btf: Btf;
  readonly architecture: Architecture;
  readonly assembly: ConstructorParameters<typeof RecordAssembly<CallRecord>>[2];
  readonly task: KernelPointer<"task_struct">;
  readonly registers: KernelPointer;
  readonly number: Scalar;
  readonly plan: Memory<CallPlan>;
  readonly result: Scalar;
  /** Texts that were copied when the call began. Without it the call still runs: they are read now. */
  readonly kept?: MapSpec<number, Kept>;
  readonly rings: Readonly<Partial<Record<CallRing, CountedRing>>>;
}

/** Writes the record of a call to the ring that its plan says. */
export function tellCall(code: Code, call: ToldCall): void {
  const { btf, architecture, assembly, task, registers, number, plan, result, kept, rings } = call;
  const record = new RecordAssembly(code, btf, assembly);
  const { fields } = record;
  fields.set("kind", RECORD_KIND.call);
  if (kept === undefined) record.flag(RECORD_FLAG.isAttempt);
  fields.set("time", code.call("ktime_get_boot_ns"));
  writeTaskFacts(code, btf, task, fields.at("task"));
  fields.set("result", result);
  fields.set("number", number);
  fields.set("cpu", code.call("get_smp_processor_id"));
  const values = fields.at("args");
  for (let index = 0; index < ARGUMENT_COUNT; index++)
    values.element(index).setValue(registers.field(REGISTERS[architecture][index] ?? ""));
  const argument = (place: Scalar): Scalar => values.element(place.sub(1).and(7)).value();
  for (const name of LENGTHS) fields.set(name, 0);
  const copying: Copying = { record, task, plan, argument };
  copyTexts(code, copying, kept === undefined ? undefined : { kept, number });
  for (const text of ["first", "second"] as const) copyDirectory(code, { ...copying, text });
  const descriptor = code.variable(0xffff_ffff, "descriptor");
  // While it runs, a call has no result.
  if (kept !== undefined) code.if(plan.get("descriptor").eq(SPECIAL), () => code.assign(descriptor, result.low32()));
  code.if(plan.get("descriptor").ne(0).and(plan.get("descriptor").ne(SPECIAL)), () =>
    code.assign(descriptor, argument(plan.get("descriptor")).low32()),
  );
  fields.at("socket").clear();
  withFile(code, task, descriptor, (file) => {
    const mode = code.let(file.field("f_inode.i_mode"), "mode");
    fields.set("mode", mode);
    code.if(
      mode.and(S_IFMT).eq(S_IFSOCK),
      () => writeSocket(code, file, fields),
      () => fields.set("pathLength", record.path(file.field("f_path.dentry"), file.field("f_path.mnt"))),
    );
  });
  for (const [name, ring] of Object.entries(rings)) {
    // The names of rings are those of the table.
    code.if(plan.get("ring").eq(RING_NUMBER[name as CallRing]), () => record.submit(ring));
  }
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
  { record, task, plan, argument }: Copying,
  begun: { readonly kept: MapSpec<number, Kept>; readonly number: Scalar } | undefined,
): void {
  const { fields } = record;
  const isFound = code.variable(0, "is found");
  if (begun !== undefined)
    code.if(plan.get("isKept").ne(0), () => {
      const thread = task.field("pid");
      code.ifNonNull(code.lookup(begun.kept, thread), (memory) => {
        code.if(memory.get("number").eq(begun.number), () => {
          code.assign(isFound, 1);
          record.flag(RECORD_FLAG.isFromEntry);
          const address = (field: "first" | "second" | "address"): Scalar => new Scalar(memory.at(field).base);
          fields.set("firstLength", record.octets("kernel", address("first"), memory.get("firstLength")));
          fields.set("secondLength", record.octets("kernel", address("second"), memory.get("secondLength")));
          fields.set("addressLength", record.octets("kernel", address("address"), memory.get("addressLength")));
        });
        code.delete(begun.kept, thread);
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
