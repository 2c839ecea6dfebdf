/** bpf(2): commands, and their attributes laid out as `union bpf_attr` of include/uapi/linux/bpf.h. */
import { LinuxCallError } from "../../linux/linux-error.ts";
import { addressOf, type SyscallResult, syscall } from "../../linux/native.ts";

/** `enum bpf_cmd` */
export const COMMANDS = {
  mapCreate: 0,
  mapLookup: 1,
  mapUpdate: 2,
  mapDelete: 3,
  mapNextKey: 4,
  programLoad: 5,
  objectPin: 6,
  objectGet: 7,
  programTestRun: 10,
  programNextId: 11,
  mapNextId: 12,
  programById: 13,
  mapById: 14,
  objectInfo: 15,
  programQuery: 16,
  rawTracepointOpen: 17,
  btfLoad: 18,
  btfById: 19,
  mapLookupAndDelete: 21,
  mapFreeze: 22,
  btfNextId: 23,
  mapLookupBatch: 24,
  mapLookupAndDeleteBatch: 25,
  mapUpdateBatch: 26,
  mapDeleteBatch: 27,
  linkCreate: 28,
  linkUpdate: 29,
  linkById: 30,
  linkNextId: 31,
  enableStatistics: 32,
  iteratorCreate: 33,
  linkDetach: 34,
} as const;

export type Command = keyof typeof COMMANDS;

/** Large enough for every command; the kernel accepts what follows its own attributes as long as it is zero. */
const ATTRIBUTES_SIZE = 152;

/** The attributes of one command. Buffers that they point to stay referenced as long as they do. */
export class Attributes {
  readonly bytes: Uint8Array = new Uint8Array(ATTRIBUTES_SIZE);
  readonly #view = new DataView(this.bytes.buffer);
  readonly #pointed = new Map<number, Uint8Array>();

  u32(offset: number, value: number): this {
    this.#view.setUint32(offset, value, true);
    return this;
  }

  i32(offset: number, value: number): this {
    this.#view.setInt32(offset, value, true);
    return this;
  }

  u64(offset: number, value: bigint): this {
    this.#view.setBigUint64(offset, value, true);
    return this;
  }

  /** A null pointer for a buffer that is absent or empty. */
  pointer(offset: number, buffer: Uint8Array | undefined): this {
    this.#view.setBigUint64(offset, buffer === undefined ? 0n : addressOf(buffer), true);
    if (buffer === undefined) this.#pointed.delete(offset);
    else this.#pointed.set(offset, buffer);
    return this;
  }

  /** Text of at most 15 octets in a field of 16. */
  name(offset: number, name: string): this {
    const encoded = Buffer.from(name);
    if (encoded.length > 15) throw new RangeError(`expected a name of at most 15 octets, got \`${name}\``);
    this.bytes.set(encoded, offset);
    return this;
  }

  /** What the kernel wrote back. */
  readU32(offset: number): number {
    return this.#view.getUint32(offset, true);
  }
}

export function bpf(command: Command, attributes: Attributes): SyscallResult {
  return syscall("bpf", COMMANDS[command], attributes.bytes, ATTRIBUTES_SIZE);
}

/** As `bpf`, for commands that must succeed. Throws `LINUX_CALL`, with `what` ("freeze the map `rules`") in its message. */
export function mustBpf(what: string, command: Command, attributes: Attributes): number {
  const { value, errno } = bpf(command, attributes);
  if (value === -1) throw new LinuxCallError(what, errno);
  return value;
}

/** Calls one command over and over, on attributes whose buffers stay where they are. */
export function repeatedBpf(command: Command, attributes: Attributes): () => SyscallResult {
  const address = addressOf(attributes.bytes);
  const number = COMMANDS[command];
  return () => syscall("bpf", number, address, attributes.bytes.length);
}

/** A path as the kernel takes it. */
export function cString(text: string): Uint8Array {
  if (text.includes("\0")) throw new RangeError("expected a text without NUL");
  return Buffer.from(`${text}\0`);
}

/** Errors of bpf(2) that callers decide by. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  E2BIG: 7,
  EAGAIN: 11,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENOSPC: 28,
  EOPNOTSUPP: 95,
  ENOTSUPP: 524,
} as const;
