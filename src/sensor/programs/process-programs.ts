/**
 * Programs that are attached as long as the sensor runs: who is forked, what is started, who ends, and where cgroups come from.
 * They cost a few microseconds for each new program, and nothing else.
 */
import type { Btf } from "../../ebpf/btf/btf.ts";
import { fieldOf } from "../../ebpf/btf/field.ts";
import type { Code } from "../../ebpf/builder/code.ts";
import type { KernelPointer } from "../../ebpf/builder/kernel-pointer.ts";
import type { AnyMemory, Memory } from "../../ebpf/builder/memory.ts";
import { iteratorProgram, tracepointProgram } from "../../ebpf/builder/program.ts";
import { type StructLayout, struct, u32, u64 } from "../../ebpf/layout.ts";
import { arrayMap, hashMap, type MapSpec } from "../../ebpf/map-spec.ts";
import type { ProgramSpec } from "../../ebpf/program-spec.ts";
import { assemblyMap, type CountedRing, RecordAssembly } from "./assembly.ts";
import { plainPointer } from "./plain-pointer.ts";
import { CGROUP_RECORD, EXEC_RECORD, EXIT_RECORD, type ExecRecord, RECORD_FLAG, RECORD_KIND, TASK_RECORD } from "./record-layouts.ts";
import { writeTaskFacts } from "./task-facts.ts";

/** A file, whatever it is called. */
export interface RefusedFile {
  readonly inode: bigint;
  /** As the kernel keeps it (`MKDEV`): the major above twenty bits of minor. */
  readonly device: number;
  readonly padding: number;
}

const REFUSED_FILE: StructLayout<RefusedFile> = struct("RefusedFile", { inode: u64, device: u32, padding: u32 });

export interface ProcessPrograms {
  readonly exec: ProgramSpec;
  readonly fork: ProgramSpec;
  readonly exit: ProgramSpec;
  readonly moved: ProgramSpec;
  readonly cgroup: ProgramSpec;
  /** Walks over all processes that are there. */
  readonly tasks: ProgramSpec;
  /** Files that are not started, and directories below which nothing is. */
  readonly refused: MapSpec<RefusedFile, number>;
  /** 1 when there are any. */
  readonly isRefusing: MapSpec<number, number>;
}

export const MAX_REFUSED = 4096;
const SIGKILL = 9;
const OVERLAY_MAGIC = 0x794c_7630;
const NOT_OVERLAY = 2;
const MAX_ARGUMENTS = 4095;

export function processPrograms(btf: Btf, ring: CountedRing): ProcessPrograms {
  const refused = hashMap("refused_files", { key: REFUSED_FILE, value: u32, maxEntries: MAX_REFUSED });
  const isRefusing = arrayMap("is_refusing", { value: u32, maxEntries: 1 });
  const output = (code: Code, record: AnyMemory): void => {
    const failure = code.call("ringbuf_output", ring.ring, record, 0);
    code.if(failure.ne(0), () => code.ifNonNull(code.lookup(ring.losses, 0), (lost) => lost.incrementValue()));
  };
  const tellTask = (code: Code, task: KernelPointer<"task_struct">, kind: number): void => {
    const record = code.stack(TASK_RECORD);
    record.set("kind", kind);
    record.set("time", code.call("ktime_get_boot_ns"));
    writeTaskFacts(code, btf, task, record.at("task"));
    output(code, record);
  };
  return {
    refused,
    isRefusing,
    exec: execProgram(btf, ring, refused, isRefusing),
    fork: tracepointProgram("sense_fork", { btf, tracepoint: "sched_process_fork" }, (code, args) => {
      const child = args.pointer<"task_struct">("child");
      // A thread is no process of its own.
      code.if(child.field("pid").ne(child.field("tgid")), () => code.return(0));
      tellTask(code, child, RECORD_KIND.fork);
    }),
    exit: tracepointProgram("sense_exit", { btf, tracepoint: "sched_process_exit" }, (code, args) => {
      const task = plainPointer(code, args.pointer<"task_struct">("p"), "task_struct");
      const isLast = args.names.includes("group_dead")
        ? args.scalar("group_dead").and(0xff).ne(0)
        : task.field("signal.live.counter").eq(0);
      code.if(isLast.not(), () => code.return(0));
      const record = code.stack(EXIT_RECORD);
      record.set("kind", RECORD_KIND.exit);
      record.set("time", code.call("ktime_get_boot_ns"));
      record.set("start", task.field("group_leader.start_boottime"));
      record.set("pid", task.field("tgid"));
      // What ends all threads at once is noted with the process; else it is what its last thread said.
      const groupCode = code.let(task.field("signal.group_exit_code"), "code");
      record.set("exitCode", task.field("exit_code"));
      code.if(groupCode.ne(0), () => record.set("exitCode", groupCode));
      output(code, record);
    }),
    moved: tracepointProgram("sense_moved", { btf, tracepoint: "cgroup_attach_task" }, (code, args) => {
      tellTask(code, args.pointer<"task_struct">(2), RECORD_KIND.moved);
    }),
    cgroup: cgroupProgram(btf, ring),
    tasks: iteratorProgram("sense_tasks", { btf, iterator: "task" }, (code, args) => {
      const task = code.orElse(args.nullable<"task_struct">("task"), () => code.return(0));
      code.if(task.field("pid").ne(task.field("tgid")), () => code.return(0));
      const record = code.stack(TASK_RECORD);
      writeTaskFacts(code, btf, task, record.at("task"));
      code.run("seq_write", args.pointer("meta").pointer("seq"), record);
    }),
  };
}

/** Names above each other that are looked at, up to the root of the file's own file system. */
const MAX_ANCESTRY = 128;

/** Where the way up from a file is, and whether anything on it is refused. */
const WAY: StructLayout<{ readonly entry: bigint; readonly isRefused: bigint }> = struct("Way", { entry: u64, isRefused: u64 });

function execProgram(
  btf: Btf,
  ring: CountedRing,
  refused: ProcessPrograms["refused"],
  isRefusing: ProcessPrograms["isRefusing"],
): ProgramSpec {
  const assembly = assemblyMap("exec_assembly", EXEC_RECORD);
  return tracepointProgram("sense_exec", { btf, tracepoint: "sched_process_exec" }, (code, args) => {
    const task = plainPointer(code, args.pointer<"task_struct">("p"), "task_struct");
    const record = new RecordAssembly(code, btf, assembly);
    const { fields } = record;
    fields.set("kind", RECORD_KIND.exec);
    fields.set("time", code.call("ktime_get_boot_ns"));
    writeTaskFacts(code, btf, task, fields.at("task"));
    const file = task.pointer("mm.exe_file");
    const inode = file.pointer("f_inode");
    writeFile(code, btf, inode, fields);
    fields.set("pathLength", record.path(file.field("f_path.dentry"), file.field("f_path.mnt")));
    fields.set("directoryLength", record.path(task.field("fs.pwd.dentry"), task.field("fs.pwd.mnt")));
    fields.set("nameLength", record.text("kernel", plainPointer(code, args.pointer("bprm"), "linux_binprm").field("filename")));
    const length = code.variable(task.field("mm.arg_end").sub(task.field("mm.arg_start")), "length");
    code.if(length.gt(MAX_ARGUMENTS), () => {
      record.flag(RECORD_FLAG.argumentsCut);
      code.assign(length, MAX_ARGUMENTS);
    });
    fields.set("argumentsLength", record.octets("user", task.field("mm.arg_start"), length));
    code.if(code.globalValue(isRefusing).value().ne(0), () => {
      const way = code.stack(WAY, { entry: file.field("f_path.dentry"), isRefused: 0 });
      code.loop(MAX_ANCESTRY, way, (step, _index, shared) => {
        const entry = step.let(shared.get("entry"), "entry");
        const here = step.cast(entry, "dentry");
        const key = step.stack(REFUSED_FILE, { inode: here.field("d_inode.i_ino"), device: here.field("d_sb.s_dev"), padding: 0 });
        step.ifNonNull(step.lookup(refused, key), () => {
          shared.set("isRefused", 1);
          step.return(1);
        });
        const parent = step.let(here.field("d_parent"), "parent");
        step.if(parent.eq(entry), () => step.return(1));
        shared.set("entry", parent);
        step.return(0);
      });
      code.if(way.get("isRefused").ne(0), () => {
        // It has not run an instruction yet, and will not.
        code.run("send_signal", SIGKILL);
        record.flag(RECORD_FLAG.isRefused);
      });
    });
    record.submit(ring);
  });
}

function writeFile(code: Code, btf: Btf, inode: KernelPointer, fields: Memory<ExecRecord>): void {
  fields.set("inode", inode.field("i_ino"));
  fields.set("ctimeSeconds", inode.field("i_ctime_sec"));
  fields.set("ctimeNanoseconds", inode.field("i_ctime_nsec"));
  fields.set("mtimeSeconds", inode.field("i_mtime_sec"));
  fields.set("mtimeNanoseconds", inode.field("i_mtime_nsec"));
  fields.set("device", inode.field("i_sb.s_dev"));
  fields.set("mode", inode.field("i_mode"));
  fields.set("ownerUid", inode.field("i_uid.val"));
  fields.set("ownerGid", inode.field("i_gid.val"));
  fields.set("upperLayer", NOT_OVERLAY);
  const overlay = overlayInode(btf);
  if (overlay === undefined) return;
  code.if(inode.field("i_sb.s_magic").eq(OVERLAY_MAGIC), () => {
    const upper = code.let(code.cast(inode.value().sub(overlay), "ovl_inode").field("__upperdentry"), "upper");
    fields.set("upperLayer", 0);
    code.if(upper.ne(0), () => fields.set("upperLayer", 1));
  });
}

/** Where the inode is in overlayfs' own one; undefined where overlayfs is a module or absent, which then cannot be told. */
function overlayInode(btf: Btf): number | undefined {
  try {
    return fieldOf(btf, btf.idOf("ovl_inode", "struct"), "vfs_inode").offset;
  } catch {
    return undefined;
  }
}

function cgroupProgram(btf: Btf, ring: CountedRing): ProgramSpec {
  const assembly = assemblyMap("cgroup_assembly", CGROUP_RECORD);
  return tracepointProgram("sense_cgroup", { btf, tracepoint: "cgroup_mkdir" }, (code, args) => {
    const cgroup = plainPointer(code, args.pointer(0), "cgroup");
    // The hierarchy of version 2 has number 0.
    code.if(cgroup.field("root.hierarchy_id").ne(0), () => code.return(0));
    const record = new RecordAssembly(code, btf, assembly);
    record.fields.set("kind", RECORD_KIND.cgroup);
    record.fields.set("time", code.call("ktime_get_boot_ns"));
    record.fields.set("id", cgroup.field("kn.id"));
    record.fields.set("pathLength", record.text("kernel", args.scalar(1)));
    record.submit(ring);
  });
}
