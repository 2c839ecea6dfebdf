/** What every record says of the task that it is about. */
import type { Btf } from "../../ebpf/btf/btf.ts";
import { fieldOf } from "../../ebpf/btf/field.ts";
import type { Code } from "../../ebpf/builder/code.ts";
import type { ScalarLike } from "../../ebpf/builder/expression.ts";
import type { KernelPointer } from "../../ebpf/builder/kernel-pointer.ts";
import type { Memory } from "../../ebpf/builder/memory.ts";
import { u32 } from "../../ebpf/layout.ts";
import { plainPointer } from "./plain-pointer.ts";
import type { TaskFacts } from "./record-layouts.ts";

type Task = KernelPointer<"task_struct">;

/** `enum pid_type` */
const GROUP = 2;
const SESSION = 3;
const NOBODY = 0xffff_ffff;
/** `struct upid` */
const UPID_BYTES = 16;

const hasField = (btf: Btf, structName: string, path: string): boolean => {
  try {
    fieldOf(btf, btf.idOf(structName, "struct"), path);
    return true;
  } catch {
    // This kernel is built without it.
    return false;
  }
};

/** Writes them all. `tgid` is the same for all threads of a process. */
export function writeTaskFacts(code: Code, btf: Btf, given: Task, facts: Memory<TaskFacts>): void {
  const task = plainPointer(code, given, "task_struct");
  const cred = task.pointer("cred");
  const capabilities = (name: string): ScalarLike => cred.field(hasField(btf, "cred", `${name}.val`) ? `${name}.val` : `${name}.cap[0]`);
  facts.set("start", task.field("group_leader.start_boottime"));
  facts.set("cgroup", task.field("cgroups.dfl_cgrp.kn.id"));
  facts.set("capEffective", capabilities("cap_effective"));
  facts.set("capPermitted", capabilities("cap_permitted"));
  facts.set("capInheritable", capabilities("cap_inheritable"));
  facts.set("pid", task.field("tgid"));
  facts.set("tid", task.field("pid"));
  facts.set("parentPid", task.field("real_parent.tgid"));
  facts.set("uid", cred.field("uid.val"));
  facts.set("euid", cred.field("euid.val"));
  facts.set("gid", cred.field("gid.val"));
  facts.set("egid", cred.field("egid.val"));
  facts.set("loginUid", hasField(btf, "task_struct", "loginuid.val") ? task.field("loginuid.val") : NOBODY);
  const terminal = code.let(task.field("signal.tty"), "terminal");
  facts.set("tty", 0);
  code.if(terminal.ne(0), () => {
    const minor = code.let(task.field("signal.tty.driver.minor_start").add(task.field("signal.tty.index")), "minor");
    // As `new_encode_dev` does.
    const device = minor.and(0xff).or(task.field("signal.tty.driver.major").shl(8)).or(minor.and(0xfff00).shl(12));
    facts.set("tty", device);
  });
  facts.set("sid", task.field(`signal.pids[${SESSION}].numbers[0].nr`));
  facts.set("pgid", task.field(`signal.pids[${GROUP}].numbers[0].nr`));
  setInnermost(code, task, "group_leader.thread_pid", facts, "vpid");
  setInnermost(code, task, `signal.pids[${GROUP}]`, facts, "vpgid");
  facts.set("mountNamespace", task.field("nsproxy.mnt_ns.ns.inum"));
  code.run("probe_read_kernel", facts.at("comm"), task.address("group_leader.comm"));
}

/** The number in the namespace of the deepest level: the last of an array as long as there are levels. */
function setInnermost(code: Code, task: Task, pid: string, facts: Memory<TaskFacts>, field: "vpid" | "vpgid"): void {
  facts.set(field, 0);
  const numbers = task.pointer(pid).address("numbers").value();
  const level = code.let(task.pointer(pid).field("level"), "level");
  const number = code.stack(u32);
  code.run("probe_read_kernel", number, numbers.add(level.and(0x1f).mul(UPID_BYTES)));
  facts.set(field, number.value());
}
