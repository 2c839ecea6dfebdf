/** What functions of the kernel do for a program that runs in a test. */
import { EbpfError } from "../ebpf-error.ts";
import type { AddressSpace } from "./address-space.ts";
import type { SimulatedMap } from "./simulated-map.ts";
import type { SimulatedRing } from "./simulated-ring.ts";

/** What a function of the kernel reaches. */
export interface World {
  readonly space: AddressSpace;
  mapAt(handle: bigint): SimulatedMap;
  ringAt(handle: bigint): SimulatedRing;
  /** Nanoseconds since the machine has started. */
  now(): bigint;
  random(): number;
  readonly process: SimulatedProcess;
  /** Calls a subprogram back. */
  callBack(address: bigint, args: readonly bigint[]): bigint;
}

/** Who runs the program. */
export interface SimulatedProcess {
  readonly pid: number;
  readonly tgid: number;
  readonly uid: number;
  readonly gid: number;
  readonly comm: string;
  readonly cgroupId: bigint;
  readonly cpu: number;
  /** The address of its `task_struct`, where a test has placed one. */
  readonly task: bigint;
}

export type KernelFunction = (world: World, args: readonly bigint[]) => bigint;

const FAULT = -14n;
const MAX_LOOPS = 1n << 23n;

const at = (args: readonly bigint[], index: number): bigint => args[index] ?? 0n;

const pair = (high: number, low: number): bigint => (BigInt(high) << 32n) | BigInt(low);

/** Copies memory; where there is none, the target is zeros, as the kernel leaves it. */
function read({ space }: World, args: readonly bigint[]): bigint {
  const target = space.bytes(at(args, 0), Number(at(args, 1)), true);
  try {
    target.set(space.bytes(at(args, 2), target.length, false));
    return 0n;
  } catch (error) {
    if (!(error instanceof EbpfError)) throw error;
    target.fill(0);
    return FAULT;
  }
}

/** Copies a text up to its NUL and gives its length, with the NUL. */
function readText({ space }: World, args: readonly bigint[]): bigint {
  const target = space.bytes(at(args, 0), Number(at(args, 1)), true);
  const found = space.find(at(args, 2));
  if (found === undefined || found.offset >= found.region.bytes.length) {
    target.fill(0);
    return FAULT;
  }
  if (target.length === 0) return 0n;
  const rest = found.region.bytes.subarray(found.offset);
  const end = rest.indexOf(0);
  const length = Math.min(end < 0 ? rest.length : end, target.length - 1);
  target.set(rest.subarray(0, length));
  target[length] = 0;
  return BigInt(length + 1);
}

function compareText({ space }: World, args: readonly bigint[]): bigint {
  const size = Number(at(args, 1));
  const left = space.bytes(at(args, 0), size, false);
  const found = space.find(at(args, 2));
  const right = found === undefined ? new Uint8Array(0) : found.region.bytes.subarray(found.offset);
  for (let index = 0; index < size; index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return BigInt(difference);
    if (left[index] === 0) return 0n;
  }
  return 0n;
}

function comm({ space, process }: World, args: readonly bigint[]): bigint {
  const target = space.bytes(at(args, 0), Number(at(args, 1)), true);
  target.fill(0);
  target.set(Buffer.from(process.comm).subarray(0, Math.max(target.length - 1, 0)));
  return 0n;
}

function loop(world: World, args: readonly bigint[]): bigint {
  const rounds = at(args, 0);
  if (rounds > MAX_LOOPS) return -7n;
  for (let index = 0n; index < rounds; index++) if (world.callBack(at(args, 1), [index, at(args, 2)]) !== 0n) return index + 1n;
  return rounds;
}

const key = (world: World, args: readonly bigint[], size: number): Uint8Array => world.space.bytes(at(args, 1), size, false);

/** By number. */
export const KERNEL_FUNCTIONS: ReadonlyMap<number, KernelFunction> = new Map<number, KernelFunction>([
  [1, (world, args) => lookup(world, args)],
  [
    2,
    (world, args) => {
      const map = world.mapAt(at(args, 0));
      return map.update(key(world, args, map.spec.keySize), world.space.bytes(at(args, 2), map.spec.valueSize, false), at(args, 3));
    },
  ],
  [
    3,
    (world, args) => {
      const map = world.mapAt(at(args, 0));
      return map.delete(key(world, args, map.spec.keySize));
    },
  ],
  [4, read],
  [5, (world) => world.now()],
  [7, (world) => BigInt(world.random() >>> 0)],
  [8, ({ process }) => BigInt(process.cpu)],
  [14, ({ process }) => pair(process.tgid, process.pid)],
  [15, ({ process }) => pair(process.gid, process.uid)],
  [16, comm],
  [35, ({ process }) => process.task],
  [45, readText],
  [80, ({ process }) => process.cgroupId],
  [112, read],
  [113, read],
  [114, readText],
  [115, readText],
  [125, (world) => world.now()],
  [130, (world, args) => world.ringAt(at(args, 0)).output(world.space.bytes(at(args, 1), Number(at(args, 2)), false))],
  [131, (world, args) => world.ringAt(at(args, 0)).reserve(Number(at(args, 1)))],
  [132, (world, args) => release(world, args, true)],
  [133, (world, args) => release(world, args, false)],
  [158, ({ process }) => process.task],
  [160, (world) => world.now()],
  [181, loop],
  [182, compareText],
  [208, (world) => world.now()],
]);

function lookup(world: World, args: readonly bigint[]): bigint {
  const map = world.mapAt(at(args, 0));
  const found = map.lookup(key(world, args, map.spec.keySize));
  // The value of a map of maps is an address of a map, which is what the program gets.
  return found !== 0n && map.spec.inner !== undefined ? world.space.load(found, 8) : found;
}

function release(world: World, args: readonly bigint[], isSubmitted: boolean): bigint {
  const record = world.space.find(at(args, 0));
  if (record === undefined) throw new EbpfError("EBPF_RUN", "what is submitted or discarded is no record");
  world.ringAt(record.region.address).release(record.region, isSubmitted);
  return 0n;
}
