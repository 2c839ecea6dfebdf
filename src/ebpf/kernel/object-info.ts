/** What is loaded in the kernel, by whomever: programs, maps and links by their ids (BPF_OBJ_GET_INFO_BY_FD). */
import { LinuxCallError } from "../../linux/linux-error.ts";
import { addressOf } from "../../linux/native.ts";
import { Attributes, bpf, ERRNO, mustBpf } from "./bpf-command.ts";
import { Descriptor } from "./descriptor.ts";
import { readDescriptorFacts } from "./descriptor-facts.ts";
import { attachTypeName, linkTypeName, mapTypeName, programTypeName } from "./type-name.ts";

export interface ProgramInfo {
  readonly id: number;
  readonly name: string;
  /** As in `tracing`; `type 99` for one that is newer than this list. */
  readonly type: string;
  /** Hash of the instructions, in hexadecimal. */
  readonly tag: string;
  readonly ownerUid: number;
  readonly mapIds: readonly number[];
  /** Bytes of machine code. */
  readonly machineCodeBytes: number;
  /** How many instructions the verifier walked through. */
  readonly verifiedInstructions: number;
  /** Nanoseconds and runs, counted while statistics are on. */
  readonly runTimeNs: bigint;
  readonly runCount: bigint;
  /** Bytes that the kernel accounts for it. */
  readonly memoryBytes: number;
}

export interface MapInfo {
  readonly id: number;
  readonly name: string;
  readonly type: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly memoryBytes: number;
}

export interface LinkInfo {
  readonly id: number;
  readonly programId: number;
  readonly type: string;
  /** What it is attached to, in words; empty where the kernel does not say. */
  readonly target: string;
}

/** A kernel that other processes load into meanwhile could give ids forever. */
const MAX_OBJECTS = 100_000;

type NextId = "programNextId" | "mapNextId" | "linkNextId";

/** The ids of all objects of a kind, ascending. Needs CAP_SYS_ADMIN. Throws `LINUX_CALL`. */
function* idsOf(next: NextId): Generator<number, void> {
  let id = 0;
  for (let count = 0; count < MAX_OBJECTS; count++) {
    const attributes = new Attributes().u32(0, id);
    const { errno } = bpf(next, attributes);
    if (errno === ERRNO.ENOENT) return;
    if (errno !== 0) throw new LinuxCallError("list what is loaded in the kernel", errno);
    id = attributes.readU32(4);
    yield id;
  }
}

/** Opens objects one by one; those that end between the listing and the opening are left out. */
function* opened<T>(next: NextId, byId: "programById" | "mapById" | "linkById", read: (fd: number) => T): Generator<T, void> {
  for (const id of idsOf(next)) {
    const { value: fd, errno } = bpf(byId, new Attributes().u32(0, id));
    if (errno === ERRNO.ENOENT || errno === ERRNO.EAGAIN) continue;
    if (errno !== 0) throw new LinuxCallError(`open the object ${id}`, errno);
    using _descriptor = new Descriptor(fd, "object");
    yield read(fd);
  }
}

export const listPrograms = (): readonly ProgramInfo[] => [...opened("programNextId", "programById", readProgramInfo)];
export const listMaps = (): readonly MapInfo[] => [...opened("mapNextId", "mapById", readMapInfo)];
export const listLinks = (): readonly LinkInfo[] => [...opened("linkNextId", "linkById", readLinkInfo)];

/** The ids of all objects, to see whether some were left behind. */
export function listIds(): { readonly programs: readonly number[]; readonly maps: readonly number[]; readonly links: readonly number[] } {
  return { programs: [...idsOf("programNextId")], maps: [...idsOf("mapNextId")], links: [...idsOf("linkNextId")] };
}

function readInfo(fd: number, info: Uint8Array<ArrayBuffer>): DataView {
  mustBpf("read about an object", "objectInfo", new Attributes().u32(0, fd).u32(4, info.length).pointer(8, info));
  return new DataView(info.buffer);
}

function textAt(view: DataView, offset: number, sizeBytes: number): string {
  const field = Buffer.from(view.buffer, view.byteOffset + offset, sizeBytes);
  const end = field.indexOf(0);
  return field.toString("latin1", 0, end === -1 ? sizeBytes : end);
}

/** `struct bpf_prog_info` */
const PROGRAM = {
  type: 0,
  id: 4,
  tag: 8,
  machineCodeBytes: 16,
  ownerUid: 48,
  mapCount: 52,
  mapIds: 56,
  name: 64,
  runTimeNs: 192,
  runCount: 200,
  verifiedInstructions: 216,
  size: 232,
} as const;

/** Maps per program that are listed; programs in the wild use a few. */
const MAX_MAP_IDS = 256;

/** About the program of a descriptor. Throws `LINUX_CALL`. */
export function readProgramInfo(fd: number): ProgramInfo {
  const info = new Uint8Array(PROGRAM.size);
  const ids = new Uint32Array(MAX_MAP_IDS);
  const asked = new DataView(info.buffer);
  asked.setUint32(PROGRAM.mapCount, MAX_MAP_IDS, true);
  asked.setBigUint64(PROGRAM.mapIds, addressOf(new Uint8Array(ids.buffer)), true);
  const view = readInfo(fd, info);
  return {
    id: view.getUint32(PROGRAM.id, true),
    name: textAt(view, PROGRAM.name, 16),
    type: programTypeName(view.getUint32(PROGRAM.type, true)),
    tag: Buffer.from(info.subarray(PROGRAM.tag, PROGRAM.tag + 8)).toString("hex"),
    ownerUid: view.getUint32(PROGRAM.ownerUid, true),
    mapIds: [...ids.subarray(0, view.getUint32(PROGRAM.mapCount, true))],
    machineCodeBytes: view.getUint32(PROGRAM.machineCodeBytes, true),
    verifiedInstructions: view.getUint32(PROGRAM.verifiedInstructions, true),
    runTimeNs: view.getBigUint64(PROGRAM.runTimeNs, true),
    runCount: view.getBigUint64(PROGRAM.runCount, true),
    memoryBytes: readDescriptorFacts(fd).memoryBytes,
  };
}

/** `struct bpf_map_info` */
const MAP = { type: 0, id: 4, keySize: 8, valueSize: 12, maxEntries: 16, flags: 20, name: 24, size: 88 } as const;

/** About the map of a descriptor. Throws `LINUX_CALL`. */
export function readMapInfo(fd: number): MapInfo {
  const view = readInfo(fd, new Uint8Array(MAP.size));
  return {
    id: view.getUint32(MAP.id, true),
    name: textAt(view, MAP.name, 16),
    type: mapTypeName(view.getUint32(MAP.type, true)),
    keySize: view.getUint32(MAP.keySize, true),
    valueSize: view.getUint32(MAP.valueSize, true),
    maxEntries: view.getUint32(MAP.maxEntries, true),
    flags: view.getUint32(MAP.flags, true),
    memoryBytes: readDescriptorFacts(fd).memoryBytes,
  };
}

/** `struct bpf_link_info`; from `details` on it differs by type. */
const LINK = { type: 0, id: 4, programId: 8, details: 16, size: 64 } as const;

/** About the link of a descriptor. Throws `LINUX_CALL`. */
export function readLinkInfo(fd: number): LinkInfo {
  const view = readInfo(fd, new Uint8Array(LINK.size));
  const type = linkTypeName(view.getUint32(LINK.type, true));
  return {
    id: view.getUint32(LINK.id, true),
    programId: view.getUint32(LINK.programId, true),
    type,
    target: targetOf(type, view, fd),
  };
}

function targetOf(type: string, view: DataView, fd: number): string {
  const word = (index: number): number => view.getUint32(LINK.details + 4 * index, true);
  switch (type) {
    case "tracing":
      return attachTypeName(word(0));
    case "cgroup":
      return `${attachTypeName(word(2))} of cgroup ${view.getBigUint64(LINK.details, true)}`;
    case "xdp":
      return `interface ${word(0)}`;
    case "tcx":
      return `${attachTypeName(word(1))} of interface ${word(0)}`;
    case "netns":
      return `${attachTypeName(word(1))} of network namespace ${word(0)}`;
    case "netfilter":
      return `${word(0) === 2 ? "ipv4" : "ipv6"} hook ${word(1)} priority ${view.getInt32(LINK.details + 8, true)}`;
    default:
      return readDescriptorFacts(fd).name;
  }
}
