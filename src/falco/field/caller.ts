/** `proc.*`, `thread.*`, `user.*`, `group.*`. */
import { capabilityNames } from "../flag-names.ts";
import type { ProcessView, SyscallEvent } from "../syscall-event.ts";
import { derived, type Field, type FieldType, type FieldValue, many, property } from "./field-row.ts";

const MAX_ANCESTORS = 64;

/** The process itself for 0, its parent for 1. */
function ancestor({ caller }: SyscallEvent, argument: string | undefined): ProcessView | null {
  let at: ProcessView | null = caller;
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
  readAll: ({ caller }) => {
    const values: FieldValue[] = [];
    for (let at = caller.parent; at !== null && values.length < MAX_ANCESTORS; at = at.parent) values.push(read(at));
    return values;
  },
});

const ofParent = (name: string, type: FieldType, read: (parent: ProcessView) => FieldValue): Field =>
  derived(name, type, "process table", ({ caller }) => (caller.parent === null ? null : read(caller.parent)));

/** Nanoseconds. */
const since = (timeNs: bigint, startNs: bigint | null): number | null => (startNs === null ? null : Number(timeNs - startNs));

const exeLine = ({ exe, argsText }: ProcessView): string => (argsText === "" ? exe : `${exe} ${argsText}`);

function environment({ caller }: SyscallEvent, name: string | undefined): string | null {
  if (caller.env === null || name === undefined) return caller.env;
  const found = caller.env.split(" ").find((entry) => entry.startsWith(`${name}=`));
  return found === undefined ? null : found.slice(name.length + 1);
}

export const processFields: readonly Field[] = [
  property("proc.name", "text", "caller.name", "exec"),
  property("proc.exe", "text", "caller.exe", "exec"),
  property("proc.exepath", "text", "caller.exePath", "exec"),
  derived(
    "proc.args",
    "text",
    "exec",
    ({ caller }, index) => (index === undefined ? caller.argsText : (caller.args[Number(index)] ?? null)),
    {
      argument: "optional index",
    },
  ),
  property("proc.cmdline", "text", "caller.commandLine", "exec"),
  derived("proc.exeline", "text", "exec", ({ caller }) => exeLine(caller)),
  derived("proc.cmdnargs", "number", "exec", ({ caller }) => caller.args.length),
  derived("proc.cmdlenargs", "number", "exec", ({ caller }) => caller.args.reduce((sum, { length }) => sum + length, 0)),
  property("proc.cwd", "text", "caller.cwd", "exec"),
  derived("proc.env", "text", "exec", environment, { argument: "optional", needs: "environment" }),
  property("proc.pid", "number", "caller.pid", "exec"),
  property("proc.ppid", "number", "caller.parentPid", "fork"),
  property("proc.vpid", "number", "caller.vpid", "exec"),
  ofParent("proc.pvpid", "number", ({ vpid }) => vpid),
  property("proc.sid", "number", "caller.sid", "exec"),
  property("proc.sname", "text", "caller.sessionName", "process table"),
  property("proc.pgid", "number", "caller.pgid", "exec"),
  property("proc.vpgid", "number", "caller.vpgid", "exec"),
  property("proc.tty", "number", "caller.tty", "exec"),
  derived("proc.is_vpgid_leader", "boolean", "exec", ({ caller }) => caller.vpid === caller.vpgid),
  derived("proc.is_pgid_leader", "boolean", "exec", ({ caller }) => caller.pid === caller.pgid),
  derived("proc.is_sid_leader", "boolean", "exec", ({ caller }) => caller.pid === caller.sid),
  derived("proc.duration", "number", "fork", ({ timeNs, caller }) => since(timeNs, caller.startNs)),
  ofParent("proc.pname", "text", ({ name }) => name),
  ofParent("proc.pexe", "text", ({ exe }) => exe),
  ofParent("proc.pexepath", "text", ({ exePath }) => exePath),
  ofParent("proc.pcmdline", "text", ({ commandLine }) => commandLine),
  derived("proc.ppid.duration", "number", "process table", ({ timeNs, caller }) =>
    since(timeNs, caller.parent === null ? null : caller.parent.startNs),
  ),
  derived("proc.pid.ts", "number", "fork", ({ caller }) => Number(caller.startNs)),
  ofParent("proc.ppid.ts", "number", ({ startNs }) => Number(startNs)),
  ancestral("proc.aname", "text", ({ name }) => name),
  ancestral("proc.aexe", "text", ({ exe }) => exe),
  ancestral("proc.aexepath", "text", ({ exePath }) => exePath),
  ancestral("proc.acmdline", "text", ({ commandLine }) => commandLine),
  ancestral("proc.apid", "number", ({ pid }) => pid),
  property("proc.is_exe_upper_layer", "boolean", "caller.executable.isUpperLayer", "exec, inode of the executable"),
  property("proc.is_exe_from_memfd", "boolean", "caller.executable.isFromMemfd", "exec, inode of the executable"),
  property("proc.is_exe_writable", "boolean", "caller.executable.isWritable", "exec, inode of the executable"),
  property("proc.exe_ino", "number", "caller.executable.inode", "exec, inode of the executable"),
  derived("proc.exe_ino.ctime", "number", "exec, inode of the executable", ({ caller: { executable } }) =>
    executable.ctimeNs === null ? null : Number(executable.ctimeNs),
  ),
  derived("proc.exe_ino.mtime", "number", "exec, inode of the executable", ({ caller: { executable } }) =>
    executable.mtimeNs === null ? null : Number(executable.mtimeNs),
  ),
  derived("proc.exe_ino.ctime_duration_proc_start", "number", "exec, inode of the executable", ({ caller }) =>
    since(caller.execNs, caller.executable.ctimeNs),
  ),
  derived("thread.cap_effective", "text", "credentials", ({ caller }) => capabilityNames(caller.capEffective)),
  derived("thread.cap_permitted", "text", "credentials", ({ caller }) => capabilityNames(caller.capPermitted)),
  derived("thread.cap_inheritable", "text", "credentials", ({ caller }) => capabilityNames(caller.capInheritable)),
  property("thread.tid", "number", "caller.tid", "event"),
  derived("thread.ismain", "boolean", "event", ({ caller }) => caller.tid === caller.pid),
  property("user.uid", "number", "caller.euid", "credentials"),
  property("user.name", "text", "caller.userName", "credentials, user database"),
  derived("user.loginuid", "number", "credentials", ({ caller }) => (caller.loginUid === 4_294_967_295 ? -1 : caller.loginUid)),
  property("user.loginname", "text", "caller.loginName", "credentials, user database"),
  property("group.gid", "number", "caller.egid", "credentials"),
  property("group.name", "text", "caller.groupName", "credentials, group database"),
  many("proc.argv", "text", "exec", ({ caller }) => caller.args),
];
