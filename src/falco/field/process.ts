/** `proc.*`, `thread.*`, `user.*`, `group.*`. */
import { capabilityNames } from "../flag-names.ts";
import type { ProcessView, SyscallEvent } from "../syscall-event.ts";
import { derived, type Field, type FieldType, type FieldValue, many, property } from "./field-row.ts";

const MAX_ANCESTORS = 64;

/** The process itself for 0, its parent for 1. */
function ancestor({ process }: SyscallEvent, argument: string | undefined): ProcessView | null {
  let at: ProcessView | null = process;
  for (let steps = Number(argument ?? 1); steps > 0 && at !== null; steps--) at = at.parent;
  return at;
}

/** A field of an ancestor: with an index of that one, without of all above the process. */
const ancestral = (name: string, type: FieldType, read: (process: ProcessView) => FieldValue): Field => ({
  name,
  type,
  from: "process table",
  argument: "optional index",
  read: (event, argument) => {
    const found = ancestor(event, argument);
    return found === null ? null : read(found);
  },
  readAll: ({ process }) => {
    const values: FieldValue[] = [];
    for (let at = process.parent; at !== null && values.length < MAX_ANCESTORS; at = at.parent) values.push(read(at));
    return values;
  },
});

const ofParent = (name: string, type: FieldType, read: (parent: ProcessView) => FieldValue): Field =>
  derived(name, type, "process table", ({ process }) => (process.parent === null ? null : read(process.parent)));

/** Nanoseconds. */
const since = (timeNs: bigint, startNs: bigint | null): number | null => (startNs === null ? null : Number(timeNs - startNs));

const exeLine = ({ exe, argsText }: ProcessView): string => (argsText === "" ? exe : `${exe} ${argsText}`);

function environment({ process }: SyscallEvent, name: string | undefined): string | null {
  if (process.env === null || name === undefined) return process.env;
  const found = process.env.split(" ").find((entry) => entry.startsWith(`${name}=`));
  return found === undefined ? null : found.slice(name.length + 1);
}

export const processFields: readonly Field[] = [
  property("proc.name", "text", "process.name", "exec"),
  property("proc.exe", "text", "process.exe", "exec"),
  property("proc.exepath", "text", "process.exePath", "exec"),
  derived(
    "proc.args",
    "text",
    "exec",
    ({ process }, index) => (index === undefined ? process.argsText : (process.args[Number(index)] ?? null)),
    {
      argument: "optional index",
    },
  ),
  property("proc.cmdline", "text", "process.commandLine", "exec"),
  derived("proc.exeline", "text", "exec", ({ process }) => exeLine(process)),
  derived("proc.cmdnargs", "number", "exec", ({ process }) => process.args.length),
  derived("proc.cmdlenargs", "number", "exec", ({ process }) => process.args.reduce((sum, { length }) => sum + length, 0)),
  property("proc.cwd", "text", "process.cwd", "exec"),
  derived("proc.env", "text", "exec", environment, { argument: "optional", needs: "environment" }),
  property("proc.pid", "number", "process.pid", "exec"),
  property("proc.ppid", "number", "process.parentPid", "fork"),
  property("proc.vpid", "number", "process.vpid", "exec"),
  ofParent("proc.pvpid", "number", ({ vpid }) => vpid),
  property("proc.sid", "number", "process.sid", "exec"),
  property("proc.sname", "text", "process.sessionName", "process table"),
  property("proc.pgid", "number", "process.pgid", "exec"),
  property("proc.vpgid", "number", "process.vpgid", "exec"),
  property("proc.tty", "number", "process.tty", "exec"),
  derived("proc.is_vpgid_leader", "boolean", "exec", ({ process }) => process.vpid === process.vpgid),
  derived("proc.is_pgid_leader", "boolean", "exec", ({ process }) => process.pid === process.pgid),
  derived("proc.is_sid_leader", "boolean", "exec", ({ process }) => process.pid === process.sid),
  derived("proc.duration", "number", "fork", ({ timeNs, process }) => since(timeNs, process.startNs)),
  ofParent("proc.pname", "text", ({ name }) => name),
  ofParent("proc.pexe", "text", ({ exe }) => exe),
  ofParent("proc.pexepath", "text", ({ exePath }) => exePath),
  ofParent("proc.pcmdline", "text", ({ commandLine }) => commandLine),
  derived("proc.ppid.duration", "number", "process table", ({ timeNs, process }) =>
    since(timeNs, process.parent === null ? null : process.parent.startNs),
  ),
  derived("proc.pid.ts", "number", "fork", ({ process }) => Number(process.startNs)),
  ofParent("proc.ppid.ts", "number", ({ startNs }) => Number(startNs)),
  ancestral("proc.aname", "text", ({ name }) => name),
  ancestral("proc.aexe", "text", ({ exe }) => exe),
  ancestral("proc.aexepath", "text", ({ exePath }) => exePath),
  ancestral("proc.acmdline", "text", ({ commandLine }) => commandLine),
  ancestral("proc.apid", "number", ({ pid }) => pid),
  property("proc.is_exe_upper_layer", "boolean", "process.executable.isUpperLayer", "exec, inode of the executable"),
  property("proc.is_exe_from_memfd", "boolean", "process.executable.isFromMemfd", "exec, inode of the executable"),
  property("proc.is_exe_writable", "boolean", "process.executable.isWritable", "exec, inode of the executable"),
  property("proc.exe_ino", "number", "process.executable.inode", "exec, inode of the executable"),
  derived("proc.exe_ino.ctime", "number", "exec, inode of the executable", ({ process: { executable } }) =>
    executable.ctimeNs === null ? null : Number(executable.ctimeNs),
  ),
  derived("proc.exe_ino.mtime", "number", "exec, inode of the executable", ({ process: { executable } }) =>
    executable.mtimeNs === null ? null : Number(executable.mtimeNs),
  ),
  derived("proc.exe_ino.ctime_duration_proc_start", "number", "exec, inode of the executable", ({ process }) =>
    since(process.execNs, process.executable.ctimeNs),
  ),
  derived("thread.cap_effective", "text", "credentials", ({ process }) => capabilityNames(process.capEffective)),
  derived("thread.cap_permitted", "text", "credentials", ({ process }) => capabilityNames(process.capPermitted)),
  derived("thread.cap_inheritable", "text", "credentials", ({ process }) => capabilityNames(process.capInheritable)),
  property("thread.tid", "number", "process.tid", "event"),
  derived("thread.ismain", "boolean", "event", ({ process }) => process.tid === process.pid),
  property("user.uid", "number", "process.euid", "credentials"),
  property("user.name", "text", "process.userName", "credentials, user database"),
  derived("user.loginuid", "number", "credentials", ({ process }) => (process.loginUid === 4_294_967_295 ? -1 : process.loginUid)),
  property("user.loginname", "text", "process.loginName", "credentials, user database"),
  property("group.gid", "number", "process.egid", "credentials"),
  property("group.name", "text", "process.groupName", "credentials, group database"),
  many("proc.argv", "text", "exec", ({ process }) => process.args),
];
