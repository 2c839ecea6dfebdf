/**
 * A process of this machine, held so that its number cannot come to mean another one: the open directory `/proc/<pid>` belongs to
 * the process for which it was opened, and every read through it fails once that process is gone.
 */
import { closeSync, openSync, readlinkSync, readSync, statSync } from "node:fs";
import { messageOf, VigilError } from "../lib/error.ts";

export type ProcessErrorCode = "LINUX_PROCESS_GONE" | "LINUX_PROCESS_UNREADABLE";

/** Which file it is, and which content: a changed file has another `ctimeNs`. */
export interface FileFacts {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

export interface Executable extends FileFacts {
  /** As the process sees it, in its own mount namespace. UNTRUSTED: whoever makes such a namespace chooses it. */
  readonly path: string;
  /** The file has no name any more. */
  readonly isDeleted: boolean;
}

/** Real, effective, saved and file-system ids. */
export interface ProcessOwner {
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  readonly groups: readonly number[];
}

/** What one file of `/proc/<pid>` may hold; more is cut off nowhere, but refused. */
const MAX_READ_BYTES = 4 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;
const DELETED = " (deleted)";
// Fields of `stat` after the name in brackets, which may itself hold brackets and blanks (proc_pid_stat(5)).
const STATE_FIELD = 0;
const START_FIELD = 19;

export class ProcessHandle implements Disposable {
  readonly pid: number;
  /** When the process started, in clock ticks (1/100 s) since boot. */
  readonly startTicks: bigint;
  readonly #directory: number;
  #isClosed = false;

  private constructor(pid: number, directory: number) {
    this.pid = pid;
    this.#directory = directory;
    this.startTicks = this.#stat().startTicks;
  }

  /** Takes hold of the process that has this number now. Throws a `ProcessErrorCode`. */
  static open(pid: number, procDirectory = "/proc"): ProcessHandle {
    let directory: number;
    try {
      directory = openSync(`${procDirectory}/${pid}`, "r");
    } catch (error) {
      throw failure(pid, error);
    }
    try {
      return new ProcessHandle(pid, directory);
    } catch (error) {
      closeSync(directory);
      throw error;
    }
  }

  /** The text of a file of its directory, such as `cgroup`. Throws a `ProcessErrorCode`. */
  read(name: string): string {
    try {
      return readAll(`${this.#path}/${name}`);
    } catch (error) {
      throw failure(this.pid, error);
    }
  }

  /** Whether it runs: not gone, and not waiting for its parent to take notice. */
  isAlive(): boolean {
    try {
      const { state, startTicks } = this.#stat();
      return state !== "Z" && state !== "X" && startTicks === this.startTicks;
    } catch {
      return false; // It cannot be read because it is gone.
    }
  }

  /** The program that it runs now; another one after an `execve`. Throws a `ProcessErrorCode`. */
  executable(): Executable {
    try {
      const path = readlinkSync(`${this.#path}/exe`);
      const isDeleted = path.endsWith(DELETED);
      return { path: isDeleted ? path.slice(0, -DELETED.length) : path, isDeleted, ...this.executableFile() };
    } catch (error) {
      throw failure(this.pid, error);
    }
  }

  /** As `executable`, without the path: cheap enough for every call of a workload. Throws a `ProcessErrorCode`. */
  executableFile(): FileFacts {
    try {
      return factsOf(`${this.#path}/exe`);
    } catch (error) {
      throw failure(this.pid, error);
    }
  }

  /** Opens the file that it runs, whatever its path has come to mean; the caller closes the descriptor. Throws a `ProcessErrorCode`. */
  openExecutable(): number {
    try {
      return openSync(`${this.#path}/exe`, "r");
    } catch (error) {
      throw failure(this.pid, error);
    }
  }

  /** The process that started it, or that took it over; 0 for none that is visible here. Throws a `ProcessErrorCode`. */
  parentPid(): number {
    return Number(/^PPid:\s*(\d+)$/m.exec(this.read("status"))?.[1] ?? 0);
  }

  /** Which namespace of a kind it is in, as `pid:[4026531836]`. Throws a `ProcessErrorCode`. */
  namespace(kind: "pid" | "user" | "mnt"): string {
    try {
      return readlinkSync(`${this.#path}/ns/${kind}`);
    } catch (error) {
      throw failure(this.pid, error);
    }
  }

  owner(): ProcessOwner {
    const status = this.read("status");
    const numbers = (name: string): readonly number[] => {
      const line = new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "";
      return line.split(/\s+/).filter(Boolean).map(Number);
    };
    return { uids: numbers("Uid"), gids: numbers("Gid"), groups: numbers("Groups") };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#directory);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  // A look-up through our own descriptor never leaves the directory that was opened.
  get #path(): string {
    if (this.#isClosed) throw new TypeError(`the handle of process ${this.pid} is closed`);
    return `/proc/self/fd/${this.#directory}`;
  }

  #stat(): { readonly state: string; readonly startTicks: bigint } {
    const text = this.read("stat");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const start = fields[START_FIELD] ?? "";
    if (!/^\d+$/.test(start)) {
      throw new VigilError<ProcessErrorCode>("LINUX_PROCESS_UNREADABLE", `process ${this.pid} has no start time in its \`stat\``);
    }
    return { state: fields[STATE_FIELD] ?? "", startTicks: BigInt(start) };
  }
}

/** Facts of a file, symbolic links followed. Throws the file system's error. */
export function factsOf(path: string): FileFacts {
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return { dev, ino, size, mtimeNs, ctimeNs };
}

export const isSameFile = (a: FileFacts, b: FileFacts): boolean => a.dev === b.dev && a.ino === b.ino;

/** The same file with the same content. */
export const isUnchanged = (a: FileFacts, b: FileFacts): boolean =>
  isSameFile(a, b) && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs;

function failure(pid: number, error: unknown): VigilError<ProcessErrorCode> {
  if (error instanceof VigilError) return error;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT" || code === "ESRCH") {
    return new VigilError("LINUX_PROCESS_GONE", `process ${pid} has ended`, { cause: error });
  }
  return new VigilError("LINUX_PROCESS_UNREADABLE", `process ${pid} cannot be looked at: ${messageOf(error)}`, {
    hint: "run the agent as root, in the PID namespace of the machine",
    cause: error,
  });
}

/** Files of /proc have no size that could be asked for first. */
function readAll(path: string): string {
  const file = openSync(path, "r");
  try {
    const chunks: Buffer[] = [];
    let total = 0;
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const count = readSync(file, chunk);
      if (count === 0) return Buffer.concat(chunks, total).toString("utf8");
      total += count;
      if (total > MAX_READ_BYTES) throw new RangeError(`it holds more than ${MAX_READ_BYTES} bytes`);
      chunks.push(chunk.subarray(0, count));
    }
  } finally {
    closeSync(file);
  }
}
