/**
 * Puts a record together whose length is known at its end alone: in memory of the CPU's own, from which it is copied into the ring.
 * Programs on these tracepoints are not interrupted by themselves, so that one such memory for each program is enough.
 *
 * What changes from step to step is kept in that memory too, not in registers: the kernel then knows nothing of it, and what it has seen
 * of one step holds for all. (With registers it follows each step of each path, for minutes.)
 */
import type { Btf } from "../../ebpf/btf/btf.ts";
import { fieldOf } from "../../ebpf/btf/field.ts";
import type { Code } from "../../ebpf/builder/code.ts";
import { type Expression, Scalar, type ScalarLike } from "../../ebpf/builder/expression.ts";
import { Memory } from "../../ebpf/builder/memory.ts";
import { array, bytes, type StructLayout, struct, u8, u64 } from "../../ebpf/layout.ts";
import { arrayMap, type MapSpec } from "../../ebpf/map-spec.ts";
import { DATA_MASK, RECORD_FLAG, TEXT_BYTES } from "./record-layouts.ts";

/** A ring, and the counter of what it had no room for. */
export interface CountedRing {
  readonly ring: MapSpec<never, unknown>;
  readonly losses: MapSpec<number, number>;
}

/** Names and mounts above each other that are followed. */
const MAX_STEPS = 256;
const NAME_BYTES = 256;

/** How far the assembly is. */
interface Progress {
  /** Bytes written behind the fields. */
  readonly offset: bigint;
  readonly flags: bigint;
  /** Where a path is being followed: addresses of a directory entry and of its mount. */
  readonly entry: bigint;
  readonly mount: bigint;
  /** The offset behind which the next name may not fit. */
  readonly last: bigint;
}

const PROGRESS: StructLayout<Progress> = struct("Progress", { offset: u64, flags: u64, entry: u64, mount: u64, last: u64 });

interface Assembly<T> {
  readonly progress: Progress;
  readonly fields: T;
  readonly data: readonly number[];
}

export const assemblyMap = <T>(name: string, fields: StructLayout<T>): MapSpec<number, Assembly<T>> =>
  arrayMap(name, {
    value: struct("Assembly", { progress: PROGRESS, fields, data: array(u8, DATA_MASK + 1 + TEXT_BYTES) }),
    maxEntries: 1,
    perCpu: true,
  });

/** What the function that climbs gets: addresses of the CPU's memory. */
const ADDRESSES: StructLayout<{ readonly progress: bigint; readonly data: bigint }> = struct("Addresses", { progress: u64, data: u64 });

export class RecordAssembly<T> {
  readonly fields: Memory<T>;
  readonly #code: Code;
  readonly #btf: Btf;
  readonly #progress: Memory<Progress>;
  readonly #data: Memory;

  /** Begins a record. */
  constructor(code: Code, btf: Btf, map: MapSpec<number, Assembly<T>>) {
    this.#code = code;
    this.#btf = btf;
    const memory = code.orElse(code.lookup(map, 0), () => code.return(0));
    this.#progress = memory.at("progress") as Memory<Progress>;
    this.fields = memory.at("fields") as Memory<T>;
    this.#data = memory.at("data") as Memory;
    this.#progress.set("offset", 0);
    this.#progress.set("flags", 0);
  }

  get flags(): Scalar {
    return this.#progress.get("flags");
  }

  flag(flag: number): void {
    this.#progress.set("flags", this.flags.or(flag));
  }

  /** Copies a text that ends with a zero byte; its length, that byte included, or 0 when it could not be read. */
  text(space: "user" | "kernel", address: ScalarLike): Scalar {
    const name = space === "user" ? "probe_read_user_str" : "probe_read_kernel_str";
    const length = this.#code.variable(this.#code.call(name, this.#room(TEXT_BYTES), address), "length");
    this.#code.if(length.slt(0), () => {
      this.flag(RECORD_FLAG.isUnreadable);
      this.#code.assign(length, 0);
    });
    this.#advance(length);
    return length;
  }

  /** Copies so many bytes, at most 4,095; how many were copied. */
  octets(space: "user" | "kernel", address: ScalarLike, size: Scalar): Scalar {
    const name = space === "user" ? "probe_read_user" : "probe_read_kernel";
    const length = this.#code.variable(size.and(TEXT_BYTES - 1), "length");
    const failure = this.#code.call(name, { memory: this.#room(TEXT_BYTES), size: length.and(TEXT_BYTES - 1) }, address);
    this.#code.if(failure.ne(0), () => {
      this.flag(RECORD_FLAG.isUnreadable);
      this.#code.assign(length, 0);
    });
    this.#advance(length);
    return length;
  }

  /** The names on the way from a directory entry to the root of its mount namespace; their length. */
  path(dentry: ScalarLike, mount: ScalarLike): Scalar {
    const code = this.#code;
    const progress = this.#progress;
    const start = code.let(progress.get("offset"), "start");
    progress.set("entry", dentry);
    progress.set("mount", mount);
    progress.set("last", start.add(TEXT_BYTES - NAME_BYTES));
    const { offset: mountOffset } = fieldOf(this.#btf, this.#btf.idOf("mount", "struct"), "mnt");
    const addresses = code.stack(ADDRESSES);
    addresses.set("progress", new Scalar(progress.base));
    addresses.set("data", new Scalar(this.#data.base));
    code.loop(MAX_STEPS, addresses, (step, _index, shared) => {
      const kept = new Memory(step, PROGRESS, step.let(shared.get("progress"), "progress").expression, { kind: "map value" });
      climb(step, kept, step.let(shared.get("data"), "data").expression, mountOffset);
    });
    return code.let(progress.get("offset").sub(start), "length");
  }

  /** Copies the record to its ring; when that is full, counts it. */
  submit({ ring, losses }: CountedRing): void {
    const code = this.#code;
    this.#progressFlags();
    const size = this.#progress.get("offset").and(DATA_MASK).add(this.fields.layout.size);
    const failure = code.call("ringbuf_output", ring, { memory: this.fields, size }, 0);
    code.if(failure.ne(0), () => code.ifNonNull(code.lookup(losses, 0), (lost) => lost.incrementValue()));
  }

  #progressFlags(): void {
    // Every record has a field for its flags.
    (this.fields as unknown as Memory<{ readonly flags: number }>).set("flags", this.flags);
  }

  /** The octet that was written at an offset. */
  octetAt(offset: ScalarLike): Scalar {
    const at = offset instanceof Scalar ? offset : new Scalar({ kind: "constant", value: BigInt(offset) });
    return roomAt(this.#code, this.#data.base, at, 1).as(u8).value();
  }

  #room(size: number): Memory<Uint8Array> {
    return roomAt(this.#code, this.#data.base, this.#progress.get("offset"), size);
  }

  #advance(length: Scalar): void {
    this.#progress.set("offset", this.#progress.get("offset").add(length));
  }
}

/** So many bytes at the end of what has been written. */
function roomAt(code: Code, data: Expression, offset: Scalar, size: number): Memory<Uint8Array> {
  const base: Expression = { kind: "binary", operation: "add", left: data, right: offset.and(DATA_MASK).expression, bits: 64 };
  return new Memory(code, bytes(size), base, { kind: "map value" });
}

/** One name, or one mount, up. Returns 1 at the root of the mount namespace. */
function climb(code: Code, progress: Memory<Progress>, data: Expression, mountOffset: number): void {
  const entry = code.let(progress.get("entry"), "dentry");
  const mount = code.let(progress.get("mount"), "vfsmount");
  code.if(entry.eq(code.cast(mount, "vfsmount").pointer("mnt_root").value()), () => {
    const mounted = code.cast(mount.sub(mountOffset), "mount");
    const above = code.let(mounted.field("mnt_parent").add(mountOffset), "above");
    code.if(above.eq(mount), () => code.return(1));
    progress.set("entry", mounted.field("mnt_mountpoint"));
    progress.set("mount", above);
    code.return(0);
  });
  const offset = code.let(progress.get("offset"), "offset");
  code.if(offset.gt(progress.get("last")), () => {
    progress.set("flags", progress.get("flags").or(RECORD_FLAG.pathCut));
    code.return(1);
  });
  const kernelEntry = code.cast(entry, "dentry");
  const length = code.call("probe_read_kernel_str", roomAt(code, data, offset, NAME_BYTES), kernelEntry.field("d_name.name"));
  code.if(length.sle(0), () => code.return(1));
  progress.set("offset", offset.add(length));
  const parent = code.let(kernelEntry.field("d_parent"), "parent");
  code.if(parent.eq(entry), () => {
    progress.set("flags", progress.get("flags").or(RECORD_FLAG.isDetached));
    code.return(1);
  });
  progress.set("entry", parent);
  code.return(0);
}
