/** A map of the kernel as keys and values of bytes; typed maps stand on it. */
import { LinuxCallError } from "../../linux/linux-error.ts";
import type { SyscallResult } from "../../linux/native.ts";
import { Attributes, bpf, type Command, ERRNO, repeatedBpf } from "./bpf-command.ts";
import type { Descriptor } from "./descriptor.ts";

/** Offsets of the attributes of single elements. */
const ELEMENT = { fd: 0, key: 8, value: 16, flags: 24 } as const;
/** Offsets of the attributes of batches. */
const BATCH = { in: 0, out: 8, keys: 16, values: 24, count: 32, fd: 36, elementFlags: 40 } as const;

/** What an update may do: `BPF_ANY`, `BPF_NOEXIST`, `BPF_EXIST`. */
export const UPDATE_MODES = { any: 0, create: 1, replace: 2 } as const;
export type UpdateMode = keyof typeof UPDATE_MODES;

/** `keySize` and `valueSize` in bytes, as user space sees them: a per-CPU value is all CPUs' values, each on 8 bytes. */
export interface RawMapShape {
  readonly name: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
}

/**
 * One key and one value at a time go through the two buffers `key` and `value`, which belong to the map and are overwritten by the next
 * call: nothing is allocated per operation.
 */
export class RawMap {
  readonly shape: RawMapShape;
  readonly descriptor: Descriptor;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly #lookup: () => SyscallResult;
  readonly #update: () => SyscallResult;
  readonly #delete: () => SyscallResult;
  readonly #nextKey: () => SyscallResult;
  readonly #lookupAndDelete: () => SyscallResult;
  readonly #flags: (flags: number) => void;
  readonly #restart: (fromStart: boolean) => void;
  readonly #next: Uint8Array;

  constructor(descriptor: Descriptor, shape: RawMapShape) {
    this.descriptor = descriptor;
    this.shape = shape;
    this.key = new Uint8Array(shape.keySize);
    this.value = new Uint8Array(shape.valueSize);
    this.#next = new Uint8Array(shape.keySize);
    const element = new Attributes().u32(ELEMENT.fd, descriptor.fd).pointer(ELEMENT.key, this.key).pointer(ELEMENT.value, this.value);
    const walk = new Attributes().u32(ELEMENT.fd, descriptor.fd).pointer(ELEMENT.value, this.#next);
    this.#lookup = repeatedBpf("mapLookup", element);
    this.#update = repeatedBpf("mapUpdate", element);
    // Deleting has no value, and the kernel insists on that.
    this.#delete = repeatedBpf("mapDelete", new Attributes().u32(ELEMENT.fd, descriptor.fd).pointer(ELEMENT.key, this.key));
    this.#lookupAndDelete = repeatedBpf("mapLookupAndDelete", element);
    this.#nextKey = repeatedBpf("mapNextKey", walk);
    this.#flags = (flags) => element.u32(ELEMENT.flags, flags);
    this.#restart = (fromStart) => walk.pointer(ELEMENT.key, fromStart ? undefined : this.key);
  }

  /** Reads the value of `key` into `value`; false when there is none. */
  lookup(): boolean {
    this.#prepare();
    return this.#found(this.#lookup(), "read from");
  }

  /** Writes `value` under `key`. False when `mode` forbids it: the key exists (`create`) or does not (`replace`). */
  update(mode: UpdateMode): boolean {
    this.#prepare(UPDATE_MODES[mode]);
    const { value, errno } = this.#update();
    if (value === 0) return true;
    if (mode === "create" && errno === ERRNO.EEXIST) return false;
    if (mode === "replace" && errno === ERRNO.ENOENT) return false;
    throw this.#error("write to", errno);
  }

  /** False when there was no such key. */
  delete(): boolean {
    this.#prepare();
    return this.#found(this.#delete(), "delete from");
  }

  /** Reads the value of `key` into `value` and deletes it, in one step; false when there is none. */
  lookupAndDelete(): boolean {
    this.#prepare();
    return this.#found(this.#lookupAndDelete(), "take from");
  }

  /** Moves `key` to the one after it, or to the first; false at the end. */
  nextKey(fromStart: boolean): boolean {
    this.#prepare();
    this.#restart(fromStart);
    if (!this.#found(this.#nextKey(), "walk through")) return false;
    this.key.set(this.#next);
    return true;
  }

  /**
   * Writes or deletes `count` elements that lie one after the other. Returns how many were done, and the error that stopped it;
   * ENOTSUPP or EINVAL with 0 done may mean that this type of map has no batches.
   */
  batch(
    command: "mapUpdateBatch" | "mapDeleteBatch",
    count: number,
    keys: Uint8Array,
    values?: Uint8Array,
  ): { readonly done: number; readonly errno: number } {
    checkRoom(keys, count * this.shape.keySize);
    if (values !== undefined) checkRoom(values, count * this.shape.valueSize);
    const attributes = this.#batchAttributes(count, keys, values);
    const { errno } = bpf(command, attributes);
    return { done: errno === 0 ? count : Math.min(attributes.readU32(BATCH.count), count), errno };
  }

  /** Reads up to `count` elements from `cursor` on. ENOENT: that was the end. ENOSPC: `count` is too small for this map. */
  readBatch(
    command: "mapLookupBatch" | "mapLookupAndDeleteBatch",
    count: number,
    buffers: { readonly keys: Uint8Array; readonly values: Uint8Array; readonly cursor: Uint8Array; readonly isFirst: boolean },
  ): { readonly done: number; readonly errno: number } {
    const { keys, values, cursor, isFirst } = buffers;
    checkRoom(keys, count * this.shape.keySize);
    checkRoom(values, count * this.shape.valueSize);
    // The kernel's position is a bucket number (u32) or a key.
    checkRoom(cursor, Math.max(4, this.shape.keySize));
    const attributes = this.#batchAttributes(count, keys, values);
    attributes.pointer(BATCH.in, isFirst ? undefined : cursor).pointer(BATCH.out, cursor);
    const { errno } = bpf(command, attributes);
    const isFilled = errno === 0 || errno === ERRNO.ENOENT;
    return { done: isFilled ? Math.min(attributes.readU32(BATCH.count), count) : 0, errno };
  }

  /** Calls a command that takes only the map. */
  command(command: Command, what: string): void {
    const { errno } = bpf(command, new Attributes().u32(ELEMENT.fd, this.descriptor.fd));
    if (errno !== 0) throw this.#error(what, errno);
  }

  #batchAttributes(count: number, keys: Uint8Array, values: Uint8Array | undefined): Attributes {
    return new Attributes()
      .pointer(BATCH.keys, keys)
      .pointer(BATCH.values, values)
      .u32(BATCH.count, count)
      .u32(BATCH.fd, this.descriptor.fd);
  }

  #prepare(flags = 0): void {
    // The descriptor stands in the attributes; another object may have its number once it is closed.
    if (this.descriptor.isClosed) void this.descriptor.fd;
    this.#flags(flags);
  }

  #found({ errno }: SyscallResult, what: string): boolean {
    if (errno === 0) return true;
    if (errno === ERRNO.ENOENT) return false;
    throw this.#error(what, errno);
  }

  #error(what: string, errno: number): LinuxCallError {
    return new LinuxCallError(`${what} the map \`${this.shape.name}\``, errno, hintOf(errno, this.shape.maxEntries));
  }
}

function checkRoom(buffer: Uint8Array, sizeBytes: number): void {
  if (buffer.length < sizeBytes) throw new RangeError(`expected a buffer of at least ${sizeBytes} bytes, got ${buffer.length}`);
}

function hintOf(errno: number, maxEntries: number): { readonly hint?: string } {
  switch (errno) {
    case ERRNO.E2BIG:
    case ERRNO.ENOSPC:
      return { hint: `it holds at most ${maxEntries} entries` };
    case ERRNO.EPERM:
      return { hint: "the map is frozen or was created read-only, or this process lacks CAP_BPF" };
    default:
      return {};
  }
}
