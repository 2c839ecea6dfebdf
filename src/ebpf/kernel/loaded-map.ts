/** Maps in the kernel: creating them as they are specified, and what all of them have. */
import { LinuxCallError } from "../../linux/linux-error.ts";
import { SharedMemory } from "../../linux/native.ts";
import { pageSizeBytes } from "../../linux/page-size.ts";
import { mapBtf } from "../btf/spec-btf.ts";
import { MAP_FLAGS, MAP_TYPES, type MapSpec, type MapType } from "../map-spec.ts";
import { Attributes, bpf, ERRNO } from "./bpf-command.ts";
import { possibleCpuCount } from "./cpu-count.ts";
import { Descriptor } from "./descriptor.ts";
import { loadBtf } from "./load-btf.ts";
import { privilegeError } from "./privilege.ts";
import { RawMap } from "./raw-map.ts";

/** Offsets of BPF_MAP_CREATE. */
const CREATE = {
  type: 0,
  keySize: 4,
  valueSize: 8,
  maxEntries: 12,
  flags: 16,
  innerMap: 20,
  name: 28,
  btf: 48,
  btfKeyType: 52,
  btfValueType: 56,
  extra: 64,
} as const;

const PER_CPU: ReadonlySet<MapType> = new Set(["percpu_hash", "percpu_array", "lru_percpu_hash"]);

export const isPerCpu = (type: MapType): boolean => PER_CPU.has(type);

/** Types of which the kernel asks for the BTF of key and value. */
const NEEDS_BTF: ReadonlySet<MapType> = new Set(["task_storage", "cgrp_storage", "sk_storage", "inode_storage"]);

/** A map that exists. It stays in the kernel while this, a program or a pin holds it. */
export class LoadedMap<K = unknown, V = unknown> implements Disposable {
  readonly spec: MapSpec<K, V>;
  readonly #descriptor: Descriptor;
  #raw: RawMap | undefined;

  constructor(spec: MapSpec<K, V>, fd: number) {
    this.spec = spec;
    this.#descriptor = new Descriptor(fd, `map \`${spec.name}\``);
  }

  get fd(): number {
    return this.#descriptor.fd;
  }

  /** Keys and values as bytes. */
  get raw(): RawMap {
    const { name, type, keySize, valueSize, maxEntries } = this.spec;
    this.#raw ??= new RawMap(this.#descriptor, {
      name,
      keySize,
      valueSize: isPerCpu(type) ? perCpuStride(valueSize) * possibleCpuCount() : valueSize,
      maxEntries,
    });
    return this.#raw;
  }

  /** From now on, only programs can write it. */
  freeze(): void {
    this.raw.command("mapFreeze", "freeze");
  }

  /** The values of an array that was asked for as `mmapable`, one after the other on 8 bytes each, as memory that programs write meanwhile. */
  memory(): SharedMemory {
    const { maxEntries, valueSize, flags = 0, name } = this.spec;
    if ((flags & MAP_FLAGS.mmapable) === 0) throw new TypeError(`expected the map \`${name}\` to be mmapable`);
    const pageSize = pageSizeBytes();
    const sizeBytes = Math.ceil((maxEntries * perCpuStride(valueSize)) / pageSize) * pageSize;
    const isWritable = (flags & (MAP_FLAGS.readOnlyUser | MAP_FLAGS.readOnlyProgram)) === 0;
    return new SharedMemory(this.fd, { sizeBytes, isWritable });
  }

  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }
}

/** Values of arrays and of CPUs begin at multiples of 8 bytes. */
export const perCpuStride = (valueSize: number): number => Math.ceil(valueSize / 8) * 8;

/**
 * Creates a map. For a map of maps, a map that looks like `inner` is created for a moment, as the kernel asks for a pattern.
 *
 * Throws `EBPF_PRIVILEGE` or `LINUX_CALL`.
 */
export function createMap<K, V>(spec: MapSpec<K, V>): LoadedMap<K, V> {
  using pattern = spec.inner === undefined ? undefined : createMap(spec.inner);
  const btf = NEEDS_BTF.has(spec.type) ? mapBtf(spec) : undefined;
  using types = btf === undefined ? undefined : loadBtf(btf.data);
  const attributes = new Attributes()
    .u32(CREATE.type, MAP_TYPES[spec.type])
    .u32(CREATE.keySize, spec.keySize)
    .u32(CREATE.valueSize, spec.valueSize)
    .u32(CREATE.maxEntries, spec.maxEntries)
    .u32(CREATE.flags, spec.flags ?? 0)
    .u32(CREATE.innerMap, pattern?.fd ?? 0)
    .name(CREATE.name, spec.name)
    .u32(CREATE.btf, types?.fd ?? 0)
    .u32(CREATE.btfKeyType, btf?.keyTypeId ?? 0)
    .u32(CREATE.btfValueType, btf?.valueTypeId ?? 0)
    .u64(CREATE.extra, BigInt(spec.extra ?? 0));
  const { value: fd, errno } = bpf("mapCreate", attributes);
  if (fd !== -1) return new LoadedMap(spec, fd);
  const what = `create the map \`${spec.name}\` (${spec.type})`;
  const missing = errno === ERRNO.EPERM ? privilegeError(what, ["CAP_BPF"]) : undefined;
  throw missing ?? new LinuxCallError(what, errno, hintOf(spec, errno));
}

function hintOf(spec: MapSpec, errno: number): { readonly hint?: string } {
  if (errno === ERRNO.EINVAL)
    return {
      hint: `this kernel may not know the type, or refuses a size: key ${spec.keySize}, value ${spec.valueSize}, entries ${spec.maxEntries}`,
    };
  if (errno === ERRNO.E2BIG) return { hint: "a key or value is too large, or there are too many entries" };
  return {};
}
