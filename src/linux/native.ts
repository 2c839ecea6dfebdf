/**
 * The one door to native code: system calls, memory that the kernel shares, and readiness of descriptors.
 *
 * Nothing is loaded before the first call. A pointer that is given to the kernel always comes from a buffer that stays referenced while
 * the kernel works with it; that the kernel stays inside the buffer is checked by the caller, who knows the call.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type * as Koffi from "koffi";
import { VigilError } from "../lib/error.ts";
import { LinuxCallError } from "./linux-error.ts";
import { type Architecture, type SyscallName, syscallNumber } from "./syscall-numbers.ts";

/** A number within 64 bits, a buffer (its address is passed), or null for a null pointer. */
export type SyscallArgument = number | bigint | Uint8Array | null;

/** `value` is what the call returned, -1 when it failed; `errno` is then not 0. */
export interface SyscallResult {
  readonly value: number;
  readonly errno: number;
}

interface Native {
  readonly architecture: Architecture;
  readonly call: (...words: readonly (number | bigint)[]) => number | bigint;
  readonly errno: () => number;
  readonly address: (buffer: Uint8Array) => bigint;
  readonly view: (address: bigint, sizeBytes: number) => ArrayBuffer;
  readonly poll: typeof Koffi.node.poll;
}

const require = createRequire(import.meta.url);
let loaded: Native | undefined;

/** The architecture of this process. Throws `LINUX_UNAVAILABLE` where Vigil has no native calls. */
export function architecture(): Architecture {
  return native().architecture;
}

/** Whether native calls can be made, or the error that says why not. */
export function nativeProblem(): VigilError<"LINUX_UNAVAILABLE"> | undefined {
  try {
    native();
    return undefined;
  } catch (thrown) {
    if (thrown instanceof VigilError && thrown.code === "LINUX_UNAVAILABLE") return thrown;
    throw thrown;
  }
}

function native(): Native {
  loaded ??= load(process.platform, process.arch);
  return loaded;
}

/** Throws `LINUX_UNAVAILABLE` on another system or architecture, or when the package `koffi` cannot be loaded. */
export function load(platform: string, machine: string): Native {
  if (platform !== "linux" || (machine !== "x64" && machine !== "arm64"))
    throw new VigilError("LINUX_UNAVAILABLE", `expected Linux on x64 or arm64, got ${platform} on ${machine}`, {
      hint: "what needs the kernel is off here; the rest works",
    });
  try {
    const koffi: typeof Koffi = require("koffi");
    keepLoaded(koffi);
    // Every register of a system call is a 64-bit word, so one prototype serves all of them.
    const call = koffi.load(null).func("syscall", "long", ["long", "long", "long", "long", "long", "long", "long"]);
    return {
      architecture: machine,
      call,
      errno: () => koffi.errno(),
      address: koffi.address,
      view: koffi.view,
      poll: koffi.node.poll,
    };
  } catch (cause) {
    throw new VigilError("LINUX_UNAVAILABLE", "the package `koffi`, by which native calls are made, cannot be loaded", {
      hint: "install it again (`npm ci`) on this machine: it carries a binary for each system",
      cause,
    });
  }
}

const RTLD_NOW = 2;
const RTLD_NODELETE = 0x1000;

/**
 * A worker thread that ends closes its addons; what libuv calls back afterwards (the close of a watched descriptor) would then be gone, and the
 * process with it. So the addon stays.
 */
function keepLoaded(koffi: typeof Koffi): void {
  const [, path] = /\s(\/\S.*koffi\.node)$/m.exec(readFileSync("/proc/self/maps", "utf8")) ?? [];
  if (path === undefined) throw new TypeError("expected the addon of koffi in the memory map");
  koffi.load(null).func("dlopen", "void *", ["str", "int"])(path, RTLD_NOW | RTLD_NODELETE);
}

/** The address of a buffer, to be written into a structure that the kernel reads. The caller keeps the buffer referenced until then. */
export function addressOf(buffer: Uint8Array): bigint {
  return buffer.byteLength === 0 ? 0n : native().address(buffer);
}

const word = (argument: SyscallArgument | undefined): number | bigint => {
  if (argument === null || argument === undefined) return 0;
  return typeof argument === "object" ? addressOf(argument) : argument;
};

/**
 * Makes a system call, by name or by number; blocks this thread until it returns. Fails as the kernel does, with `errno`, and with ENOSYS where
 * the architecture has no call of that name.
 */
export function syscall(
  name: SyscallName | number,
  a?: SyscallArgument,
  b?: SyscallArgument,
  c?: SyscallArgument,
  d?: SyscallArgument,
  e?: SyscallArgument,
  f?: SyscallArgument,
): SyscallResult {
  const { architecture, call, errno } = native();
  const number = typeof name === "number" ? name : syscallNumber(name, architecture);
  if (number === undefined) return { value: -1, errno: ENOSYS };
  const value = Number(call(number, word(a), word(b), word(c), word(d), word(e), word(f)));
  return { value, errno: value === -1 ? errno() : 0 };
}

const ENOSYS = 38;

/** As `syscall`, for calls that must succeed: returns the value, or throws `LINUX_CALL` with `what` ("open the file") in its message. */
export function mustSyscall(what: string, name: SyscallName | number, ...args: readonly SyscallArgument[]): number {
  const [a, b, c, d, e, f] = args;
  const { value, errno } = syscall(name, a, b, c, d, e, f);
  if (value === -1) throw new LinuxCallError(what, errno);
  return value;
}

/** Closes a descriptor that `syscall` opened. A descriptor that is already closed is its owner's bug. */
export function closeDescriptor(descriptor: number): void {
  mustSyscall(`close the descriptor ${descriptor}`, "close", descriptor);
}

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;

/** Memory that this process shares with the kernel. Its buffer is detached (length 0) once it is disposed, so that no view can reach what was unmapped. */
export class SharedMemory implements Disposable {
  readonly buffer: ArrayBuffer;
  readonly #address: number;
  readonly #sizeBytes: number;

  /** Maps `sizeBytes` of a descriptor from `offsetBytes` on, which are multiples of the page size. Throws `LINUX_CALL`. */
  constructor(descriptor: number, options: { readonly sizeBytes: number; readonly offsetBytes?: number; readonly isWritable?: boolean }) {
    const { sizeBytes, offsetBytes = 0, isWritable = false } = options;
    const protection = isWritable ? PROT_READ | PROT_WRITE : PROT_READ;
    this.#address = mustSyscall("map memory", "mmap", 0, sizeBytes, protection, MAP_SHARED, descriptor, offsetBytes);
    this.#sizeBytes = sizeBytes;
    this.buffer = native().view(BigInt(this.#address), sizeBytes);
  }

  [Symbol.dispose](): void {
    if (this.buffer.detached) return;
    this.buffer.transfer(0);
    mustSyscall("unmap memory", "munmap", this.#address, this.#sizeBytes);
  }
}

/** Watches a descriptor from the event loop; the process stays alive meanwhile, unless `unref` is called. */
export interface ReadinessWatch extends Disposable {
  unref(): void;
}

type PollHandle = ReturnType<Native["poll"]>;

// A handle that is collected as garbage stops watching.
const watching = new Set<PollHandle>();

/**
 * Calls back whenever a descriptor can be read, again and again while it can: level-triggered, once per turn of the event loop.
 * The callback gets true when the kernel says that watching failed (a negative errno).
 */
export function watchReadable(descriptor: number, onReadable: (hasFailed: boolean) => void): ReadinessWatch {
  let isPending = false;
  // The callback of the native handle has no place for exceptions and promises; the check phase, which follows at once, has.
  const deliver = (status: number): void => {
    if (isPending) return;
    isPending = true;
    setImmediate(() => {
      isPending = false;
      if (watching.has(handle)) onReadable(status < 0);
    });
  };
  const handle: PollHandle = native().poll(descriptor, { readable: true }, (status: unknown) => deliver(Number(status)));
  watching.add(handle);
  return {
    unref: () => {
      if (watching.has(handle)) handle.unref();
    },
    [Symbol.dispose]: () => {
      if (watching.delete(handle)) handle.close();
    },
  };
}
