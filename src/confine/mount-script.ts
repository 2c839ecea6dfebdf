/**
 * The view of the file system that a confined program has: the host's, read-only, with private directories in place of those where
 * processes meet (/tmp, /run, /dev/shm), devices that are safe, and a /proc of its own namespace without its switches.
 */
import { AT, MOUNT, MOUNT_ATTRIBUTE, MOVE_MOUNT_FROM_DESCRIPTOR, OPEN, OPEN_TREE_CLONE } from "../linux/constants.ts";
import type { Cell, SyscallScript } from "../linux/launcher/syscall-script.ts";
import { type BoundPath, type Isolation, isWithin, PRIVATE_DIRECTORIES } from "./launch-plan.ts";

const DEVICES = ["null", "zero", "full", "random", "urandom", "tty"];
const DEVICE_LINKS: readonly (readonly [target: string, name: string])[] = [
  ["/proc/self/fd", "/dev/fd"],
  ["/proc/self/fd/0", "/dev/stdin"],
  ["/proc/self/fd/1", "/dev/stdout"],
  ["/proc/self/fd/2", "/dev/stderr"],
  ["pts/ptmx", "/dev/ptmx"],
];
/** Switches of the kernel: to be seen, not to be turned. */
const READ_ONLY_IN_PROC = ["acpi", "bus", "fs", "irq", "sys", "sysrq-trigger"].map((name) => `/proc/${name}`);
/** What tells about the kernel's memory and about keys. */
const HIDDEN_FILES = ["kcore", "keys", "key-users", "latency_stats", "sched_debug", "timer_list", "kallsyms", "kpagecount"].map(
  (name) => `/proc/${name}`,
);
const HIDDEN_DIRECTORIES = [
  "/proc/scsi",
  "/sys/firmware",
  "/sys/fs/bpf",
  "/sys/kernel/debug",
  "/sys/kernel/security",
  "/sys/kernel/tracing",
];

const SAFE = MOUNT_ATTRIBUTE.nosuid | MOUNT_ATTRIBUTE.nodev;

export function addMounts(script: SyscallScript, isolation: Isolation): void {
  script.call("separate the mounts", "mount", [0, script.text("/"), 0, MOUNT.recursive | MOUNT.private, 0]);
  // Taken before anything is hidden or made read-only: what may be written, what is brought back, and devices.
  const devices = DEVICES.map((name) => ({ path: `/dev/${name}`, tree: takeTree(script, `/dev/${name}`) }));
  const readable = isolation.readable.map((bound) => ({ ...bound, tree: takeTree(script, bound.path) }));
  const writable = isolation.writable.map((bound) => ({ ...bound, tree: takeTree(script, bound.path) }));

  setAttributes(script, "make the file system read-only", { path: "/", isRecursive: true }, MOUNT_ATTRIBUTE.readOnly | SAFE);
  for (const path of PRIVATE_DIRECTORIES) {
    if (!path.startsWith("/dev/"))
      mountPrivate(script, path, { mode: path === "/run" ? "0755" : "1777", sizeBytes: isolation.temporaryBytes });
  }
  addDevices(script, devices, isolation.temporaryBytes);
  addProc(script);
  for (const path of HIDDEN_DIRECTORIES) hideDirectory(script, path);
  for (const bound of readable) attach(script, bound, MOUNT_ATTRIBUTE.readOnly | SAFE);
  for (const bound of writable) attach(script, bound, SAFE);
}

function mountPrivate(script: SyscallScript, path: string, options: { readonly mode: string; readonly sizeBytes: number }): void {
  const data = script.text(`mode=${options.mode},size=${options.sizeBytes},nr_inodes=100000`);
  const [type, target] = [script.text("tmpfs"), script.text(path)];
  script.call(`mount a private ${path}`, "mount", [type, target, type, MOUNT.nosuid | MOUNT.nodev, data]);
}

function takeTree(script: SyscallScript, path: string): Cell {
  const tree = script.cell();
  const flags = OPEN_TREE_CLONE | OPEN.closeOnExec | AT.recursive;
  script.call(`take ${path}`, "open_tree", [AT.here, script.text(path), flags], { store: tree });
  return tree;
}

/** mount_setattr(2): what to set, to clear, propagation, user namespace. */
function setAttributes(
  script: SyscallScript,
  what: string,
  where: { readonly path: string; readonly isRecursive: boolean } | Cell,
  attributes: number,
): void {
  const set = script.words([BigInt(attributes), 0n, 0n, 0n]);
  const SIZE = 32;
  if ("kind" in where) script.call(what, "mount_setattr", [where, script.text(""), AT.emptyPath | AT.recursive, set, SIZE]);
  else script.call(what, "mount_setattr", [AT.here, script.text(where.path), where.isRecursive ? AT.recursive : 0, set, SIZE]);
}

function moveTree(script: SyscallScript, tree: Cell, path: string): void {
  const target = script.text(path);
  script.call(`mount ${path}`, "move_mount", [tree, script.text(""), AT.here, target, MOVE_MOUNT_FROM_DESCRIPTOR]);
  script.call("close a mount", "close", [tree]);
}

const REGULAR_FILE = 0o100644;

/** What lies in a private directory needs a place there first. */
function attach(script: SyscallScript, { path, isDirectory, tree }: BoundPath & { readonly tree: Cell }, attributes: number): void {
  const home = PRIVATE_DIRECTORIES.find((directory) => isWithin(path, directory) && path !== directory);
  if (home !== undefined) {
    const steps = path.slice(home.length + 1).split("/");
    for (const [index] of steps.entries()) {
      const place = script.text(`${home}/${steps.slice(0, index + 1).join("/")}`);
      const isLast = index === steps.length - 1;
      if (isLast && !isDirectory)
        script.call(`make a place for ${path}`, "mknodat", [AT.here, place, REGULAR_FILE, 0], { onError: "ignore" });
      else script.call(`make a place for ${path}`, "mkdirat", [AT.here, place, 0o755], { onError: "ignore" });
    }
  }
  setAttributes(script, `restrict ${path}`, tree, attributes);
  moveTree(script, tree, path);
}

function addDevices(script: SyscallScript, devices: readonly { readonly path: string; readonly tree: Cell }[], sizeBytes: number): void {
  mountPrivate(script, "/dev", { mode: "0755", sizeBytes: 65_536 });
  for (const { path, tree } of devices) {
    script.call(`make a place for ${path}`, "mknodat", [AT.here, script.text(path), REGULAR_FILE, 0]);
    moveTree(script, tree, path);
  }
  for (const [target, name] of DEVICE_LINKS) script.call(`link ${name}`, "symlinkat", [script.text(target), AT.here, script.text(name)]);
  for (const name of ["/dev/pts", "/dev/shm"]) script.call(`make ${name}`, "mkdirat", [AT.here, script.text(name), 0o755]);
  const [devpts, place] = [script.text("devpts"), script.text("/dev/pts")];
  const options = script.text("newinstance,ptmxmode=0666,mode=620");
  script.call("mount pseudo terminals", "mount", [devpts, place, devpts, MOUNT.nosuid | MOUNT.noexec, options]);
  mountPrivate(script, "/dev/shm", { mode: "1777", sizeBytes });
  setAttributes(script, "make /dev read-only", { path: "/dev", isRecursive: false }, MOUNT_ATTRIBUTE.readOnly);
}

function addProc(script: SyscallScript): void {
  const [proc, place] = [script.text("proc"), script.text("/proc")];
  script.call("mount /proc", "mount", [proc, place, proc, MOUNT.nosuid | MOUNT.nodev | MOUNT.noexec, 0]);
  for (const path of READ_ONLY_IN_PROC) {
    const absent = script.label();
    const tree = script.cell();
    script.call(`take ${path}`, "open_tree", [AT.here, script.text(path), OPEN_TREE_CLONE | OPEN.closeOnExec], {
      store: tree,
      onError: absent,
    });
    setAttributes(script, `make ${path} read-only`, tree, MOUNT_ATTRIBUTE.readOnly | SAFE | MOUNT_ATTRIBUTE.noexec);
    moveTree(script, tree, path);
    script.mark(absent);
  }
  for (const path of HIDDEN_FILES) {
    const tree = script.cell();
    script.call("take /dev/null", "open_tree", [AT.here, script.text("/dev/null"), OPEN_TREE_CLONE | OPEN.closeOnExec], { store: tree });
    const hidden = [tree, script.text(""), AT.here, script.text(path), MOVE_MOUNT_FROM_DESCRIPTOR] as const;
    script.call(`hide ${path}`, "move_mount", hidden, { onError: "ignore" });
    script.call("close a mount", "close", [tree]);
  }
}

/** Not every kernel has them: what cannot be mounted over for another reason is read-only anyway. */
function hideDirectory(script: SyscallScript, path: string): void {
  const type = script.text("tmpfs");
  const data = script.text("mode=0555,size=4096,nr_inodes=2");
  const [target, flags] = [script.text(path), MOUNT.nosuid | MOUNT.nodev | MOUNT.noexec | 1];
  script.call(`hide ${path}`, "mount", [type, target, type, flags, data], { onError: "ignore" });
}
