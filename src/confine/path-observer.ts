/**
 * Which files and ports a program uses, read from its memory while its call waits. What another thread changes afterwards is missed: this is
 * for recording a program that is trusted to show what it needs, never for deciding.
 */
import { closeSync, openSync, readFileSync, readlinkSync, readSync, realpathSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, normalize } from "node:path";
import type { SyscallName } from "../linux/syscall-numbers.ts";
import type { Observation } from "../target/seccomp/observation.ts";
import type { PathAccess } from "../target/seccomp/profile.ts";
import type { ObservedCall } from "./observed-program.ts";

const AT_FDCWD = 0xffff_ff9cn;
const O_ACCMODE = 0o3n;
const O_CREAT = 0o100n;
const O_WRONLY = 1n;
const O_RDWR = 2n;
const MAX_PATH = 4096;
const PAGE = 4096;

/** Where a call has its path: the argument of the directory descriptor, if any, and that of the path. */
interface PathPlace {
  readonly directory?: number;
  readonly path: number;
}

/** Calls that change a directory entry: both paths, where there are two. */
const ENTRY_CALLS: { readonly [N in SyscallName]?: readonly PathPlace[] } = {
  creat: [{ path: 0 }],
  link: [{ path: 0 }, { path: 1 }],
  linkat: [
    { directory: 0, path: 1 },
    { directory: 2, path: 3 },
  ],
  mkdir: [{ path: 0 }],
  mkdirat: [{ directory: 0, path: 1 }],
  mknod: [{ path: 0 }],
  mknodat: [{ directory: 0, path: 1 }],
  rename: [{ path: 0 }, { path: 1 }],
  renameat: [
    { directory: 0, path: 1 },
    { directory: 2, path: 3 },
  ],
  renameat2: [
    { directory: 0, path: 1 },
    { directory: 2, path: 3 },
  ],
  rmdir: [{ path: 0 }],
  symlink: [{ path: 1 }],
  symlinkat: [{ directory: 1, path: 2 }],
  unlink: [{ path: 0 }],
  unlinkat: [{ directory: 0, path: 1 }],
};

/** Calls that change what is in a file. */
const WRITE_CALLS: { readonly [N in SyscallName]?: PathPlace } = {
  chmod: { path: 0 },
  chown: { path: 0 },
  fchmodat: { directory: 0, path: 1 },
  fchownat: { directory: 0, path: 1 },
  truncate: { path: 0 },
  utimensat: { directory: 0, path: 1 },
};

/** Every call that this can say something about; others need not be looked at. */
export const PATH_CALLS: readonly SyscallName[] = [
  ...(Object.keys({ ...ENTRY_CALLS, ...WRITE_CALLS }) as SyscallName[]), // the keys of records over these names
  "open",
  "openat",
  "openat2",
  "execve",
  "execveat",
  "connect",
  "bind",
];

export class PathObserver {
  readonly #observation: Observation;

  constructor(observation: Observation) {
    this.#observation = observation;
  }

  /** Notes what the call uses. What cannot be read is left out: the call itself will fail on it, or the process is gone. */
  observe({ name, args, thread }: ObservedCall): void {
    if (name === undefined) return;
    const argument = (index: number): bigint => args[index] ?? 0n;
    for (const place of ENTRY_CALLS[name] ?? []) this.#noteEntry(this.#pathAt(thread, args, place));
    const written = WRITE_CALLS[name];
    if (written !== undefined) this.#noteFile(this.#pathAt(thread, args, written), ["write"]);
    const path = (): string | undefined => this.#pathAt(thread, args, { path: 0 });
    const relative = (): string | undefined => this.#pathAt(thread, args, { directory: 0, path: 1 });
    if (name === "open") this.#noteOpen(path(), argument(1));
    if (name === "openat") this.#noteOpen(relative(), argument(2));
    if (name === "openat2") this.#noteOpen(relative(), readWord(thread, argument(2)));
    if (name === "execve") this.noteProgram(path());
    if (name === "execveat") this.noteProgram(relative());
    if (name === "connect" || name === "bind") {
      const size = Math.min(Number(argument(2)), SOCKADDR_BYTES);
      this.#noteAddress(name, readMemory(thread, argument(1), size), thread);
    }
  }

  #pathAt(thread: number, args: readonly bigint[], { directory, path }: PathPlace): string | undefined {
    const text = readText(thread, args[path] ?? 0n);
    if (text === undefined || text === "") return undefined;
    if (isAbsolute(text)) return normalize(text);
    const descriptor = directory === undefined ? AT_FDCWD : (args[directory] ?? 0n) & 0xffff_ffffn;
    const start = readLink(descriptor === AT_FDCWD ? `/proc/${thread}/cwd` : `/proc/${thread}/fd/${descriptor}`);
    return start === undefined ? undefined : join(start, text);
  }

  #noteOpen(path: string | undefined, flags: bigint): void {
    const mode = flags & O_ACCMODE;
    const access: readonly PathAccess[] = mode === O_WRONLY ? ["write"] : mode === O_RDWR ? ["read", "write"] : ["read"];
    if ((flags & O_CREAT) !== 0n) this.#noteEntry(path);
    this.#noteFile(path, path !== undefined && /\.so(\.\d+)*$/.test(path) ? [...access, "map"] : access, (flags & O_CREAT) !== 0n);
  }

  /** A file in a directory that is changed: the directory is what a rule can be about, since the file may not exist yet. */
  #noteEntry(path: string | undefined): void {
    if (path === undefined) return;
    const parent = realPathOf(dirname(path));
    if (parent !== undefined) this.#observation.seePath(parent.path, "create", true);
  }

  /** What does not exist and is not created needs no permission. Links are followed, as the kernel does before it judges. */
  #noteFile(path: string | undefined, access: readonly PathAccess[], isCreated = false): void {
    if (path === undefined) return;
    const real = realPathOf(path) ?? (isCreated ? { path, isDirectory: false } : undefined);
    // /proc/PID and descriptors mean another thing in each run.
    if (real === undefined || /^\/proc\/\d+(\/|$)/.test(real.path) || !real.path.startsWith("/")) return;
    for (const each of access) this.#observation.seePath(real.path, each, real.isDirectory);
  }

  /** A program that is started. A script needs its interpreter, a dynamic program its loader. */
  noteProgram(path: string | undefined): void {
    for (let next = path, depth = 0; next !== undefined && depth < MAX_INTERPRETERS; depth++) {
      this.#noteFile(next, ["read", "execute", "map"]);
      next = interpreterOf(next);
    }
  }

  #noteAddress(use: "connect" | "bind", address: Uint8Array | undefined, thread: number): void {
    if (address === undefined || address.length < 4) return;
    const family = (address[0] ?? 0) | ((address[1] ?? 0) << 8);
    if (family === 2 || family === 10) this.#observation.seePort(use, ((address[2] ?? 0) << 8) | (address[3] ?? 0));
    const AF_UNIX = 1;
    if (family !== AF_UNIX || address[2] === 0) return;
    const end = address.indexOf(0, 2);
    const path = Buffer.from(address.subarray(2, end === -1 ? address.length : end)).toString();
    const start = isAbsolute(path) ? "/" : readLink(`/proc/${thread}/cwd`);
    if (start === undefined) return;
    if (use === "bind") this.#noteEntry(join(start, path));
    this.#noteFile(join(start, path), ["read", "write"]);
  }
}

const SOCKADDR_BYTES = 128;
const MAX_INTERPRETERS = 5;

function realPathOf(path: string): { readonly path: string; readonly isDirectory: boolean } | undefined {
  try {
    const real = realpathSync(path);
    return { path: real, isDirectory: statSync(real).isDirectory() };
  } catch {
    return undefined;
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** Bytes of the memory of a thread; fewer at the end of what is mapped, undefined where there is nothing. */
function readMemory(thread: number, address: bigint, size: number): Uint8Array | undefined {
  if (address === 0n || size <= 0) return undefined;
  let descriptor: number | undefined;
  try {
    descriptor = openSync(`/proc/${thread}/mem`, "r");
    const buffer = Buffer.alloc(size);
    return buffer.subarray(0, readSync(descriptor, buffer, 0, size, address));
  } catch {
    return undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** A text that ends with a zero byte, read page by page, since what follows it may not be mapped. UNTRUSTED. */
function readText(thread: number, address: bigint): string | undefined {
  const parts: Uint8Array[] = [];
  for (let at = address, total = 0; total < MAX_PATH; ) {
    const size = PAGE - Number(at % BigInt(PAGE));
    const part = readMemory(thread, at, size);
    if (part === undefined || part.length === 0) return undefined;
    const end = part.indexOf(0);
    if (end >= 0) return Buffer.concat([...parts, part.subarray(0, end)]).toString();
    parts.push(part);
    at += BigInt(part.length);
    total += part.length;
  }
  return undefined;
}

function readWord(thread: number, address: bigint): bigint {
  const bytes = readMemory(thread, address, 8);
  return bytes === undefined || bytes.length < 8 ? 0n : new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
}

const PT_INTERP = 3;

/** What the kernel starts to run a file: the interpreter of a script or the loader of an ELF file. */
export function interpreterOf(path: string): string | undefined {
  let file: Uint8Array;
  try {
    const descriptor = openSync(path, "r");
    try {
      file = Buffer.alloc(PAGE);
      file = file.subarray(0, readSync(descriptor, file));
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return undefined;
  }
  const bytes = Buffer.from(file);
  if (bytes.subarray(0, 2).toString("latin1") === "#!")
    return /^#!\s*(?<program>\/\S+)/.exec(bytes.toString("latin1"))?.groups?.["program"];
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f45_4c46 || bytes[4] !== 2) return undefined;
  const [start, size, count] = [Number(bytes.readBigUInt64LE(32)), bytes.readUInt16LE(54), bytes.readUInt16LE(56)];
  for (let index = 0; index < count; index++) {
    const at = start + index * size;
    if (at + 56 > bytes.length || bytes.readUInt32LE(at) !== PT_INTERP) continue;
    const [offset, length] = [Number(bytes.readBigUInt64LE(at + 8)), Number(bytes.readBigUInt64LE(at + 32))];
    return offset + length <= bytes.length ? bytes.subarray(offset, offset + length - 1).toString() : interpreterFar(path, offset, length);
  }
  return undefined;
}

function interpreterFar(path: string, offset: number, length: number): string | undefined {
  return length > MAX_PATH
    ? undefined
    : readFileSync(path)
        .subarray(offset, offset + length - 1)
        .toString();
}
