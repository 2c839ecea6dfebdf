/** Where file systems are mounted, as /proc/PID/mountinfo says (proc_pid_mountinfo(5)). */
import { readFileSync } from "node:fs";

export interface Mount {
  readonly path: string;
  /** The directory of the file system that is the mount's root; `/` unless it is a bind mount or another cgroup namespace. */
  readonly root: string;
  /** `cgroup2`, `bpf`, `proc`, … */
  readonly fileSystem: string;
  readonly source: string;
  readonly options: readonly string[];
  /** Options of the file system itself: for cgroup v1 its controllers. */
  readonly superOptions: readonly string[];
}

/** The mounts of a text in the format of /proc/self/mountinfo, in its order; lines of another format are left out. */
export function parseMountInfo(text: string): readonly Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split("\n")) {
    // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    const [head = "", tail] = line.split(" - ", 2);
    const [, , , root, path, options = ""] = head.split(" ");
    const [fileSystem, source = "", superOptions = ""] = tail?.split(" ") ?? [];
    if (root === undefined || path === undefined || fileSystem === undefined) continue;
    mounts.push({
      path: unescapeOctal(path),
      root: unescapeOctal(root),
      fileSystem,
      source: unescapeOctal(source),
      options: options.split(","),
      superOptions: superOptions.split(","),
    });
  }
  return mounts;
}

/** Spaces, tabs, line ends and backslashes stand as `\040`. */
function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** The mounts that this process sees. */
export function readMounts(): readonly Mount[] {
  return parseMountInfo(readFileSync("/proc/self/mountinfo", "utf8"));
}

/** Where the hierarchy of cgroup v2 begins, or undefined when it is not mounted; on hybrid systems it is not /sys/fs/cgroup itself. */
export function cgroup2Path(mounts: readonly Mount[] = readMounts()): string | undefined {
  const found = mounts.filter(({ fileSystem }) => fileSystem === "cgroup2");
  return (found.find(({ root }) => root === "/") ?? found[0])?.path;
}

/** Where a cgroup v1 controller is mounted: `memory`, `pids`, … */
export function cgroup1Path(controller: string, mounts: readonly Mount[] = readMounts()): string | undefined {
  return mounts.find(({ fileSystem, superOptions }) => fileSystem === "cgroup" && superOptions.includes(controller))?.path;
}

/** Where a BPF file system is mounted, or undefined. */
export function bpfFileSystemPath(mounts: readonly Mount[] = readMounts()): string | undefined {
  const found = mounts.filter(({ fileSystem }) => fileSystem === "bpf");
  return (found.find(({ path }) => path === "/sys/fs/bpf") ?? found[0])?.path;
}

/** Where tracefs is mounted, or undefined. */
export function traceFileSystemPath(mounts: readonly Mount[] = readMounts()): string | undefined {
  return mounts.find(({ fileSystem }) => fileSystem === "tracefs")?.path;
}
