/** Runs programs in tests, without a kernel: what it computes is exact, what the verifier would refuse is an error when it happens. */

import { EbpfError } from "../ebpf-error.ts";
import { decodeInstructions, encodeInstructions, SLOT_SIZE } from "../encoding.ts";
import { type Instruction, slotStarts } from "../instruction.ts";
import type { MapSpec } from "../map-spec.ts";
import { PSEUDO_VALUE } from "../opcode.ts";
import type { ProgramSpec } from "../program-spec.ts";
import { AddressSpace, type MemoryRegion } from "./address-space.ts";
import { Execution } from "./execution.ts";
import { KERNEL_FUNCTIONS, type KernelFunction, type SimulatedProcess, type World } from "./kernel-function.ts";
import { SimulatedMap } from "./simulated-map.ts";
import { SimulatedRing } from "./simulated-ring.ts";

export interface MachineOptions {
  /** Nanoseconds; 0 when absent. */
  readonly now?: () => bigint;
  /** 32 bits; 0 when absent. */
  readonly random?: () => number;
  readonly process?: Partial<SimulatedProcess>;
  /** Functions of the kernel by number, or by name where programs call them by BTF, instead of those that are built in. */
  readonly functions?: ReadonlyMap<number | string, KernelFunction>;
  /** Instructions until a run is stopped; a million when absent. */
  readonly stepLimit?: number;
}

const NOBODY: SimulatedProcess = { pid: 1, tgid: 1, uid: 0, gid: 0, comm: "init", cgroupId: 1n, cpu: 0, task: 0n };

export interface RunResult {
  /** r0, of 64 bits. */
  readonly result: bigint;
  readonly steps: number;
}

export class Machine {
  readonly space: AddressSpace = new AddressSpace();
  readonly #options: MachineOptions;
  readonly #maps = new Map<MapSpec, SimulatedMap>();
  readonly #rings = new Map<MapSpec, SimulatedRing>();
  readonly #recordOwners = new Map<bigint, SimulatedRing>();
  readonly #programs = new Map<string, ProgramSpec>();

  constructor(options: MachineOptions = {}) {
    this.#options = options;
  }

  /** The map of a specification, made when it is first asked for. */
  map<K, V>(spec: MapSpec<K, V>): SimulatedMap<K, V> {
    let map = this.#maps.get(spec);
    if (map === undefined) {
      map = new SimulatedMap(spec as MapSpec, this.space);
      this.#maps.set(spec, map);
    }
    // A map is stored under its own specification, which carries the types.
    return map as unknown as SimulatedMap<K, V>;
  }

  ring<V>(spec: MapSpec<never, V>): SimulatedRing<V> {
    const known = this.#rings.get(spec as MapSpec);
    if (known !== undefined) return known as SimulatedRing<V>;
    const ring = new SimulatedRing(spec, this.space, this.#recordOwners);
    this.#rings.set(spec as MapSpec, ring as SimulatedRing);
    return ring;
  }

  /** Puts bytes where a program can read them, as a struct of the kernel; their address. */
  place(name: string, bytes: Uint8Array): bigint {
    return this.space.place(name, bytes, { isWritable: false }).address;
  }

  /** Puts a map into a map of maps. */
  setInner(outer: MapSpec, key: Uint8Array, inner: MapSpec): void {
    const value = new Uint8Array(8);
    new DataView(value.buffer).setBigUint64(0, this.map(inner).handle.address, true);
    this.#nested(outer).update(key, value, 0n);
  }

  #nested(outer: MapSpec): SimulatedMap {
    // In the kernel values of these maps are descriptors; here they are addresses, which take eight bytes.
    const known = this.#maps.get(outer);
    const map = known ?? new SimulatedMap({ ...outer, type: "hash", valueSize: 8 }, this.space);
    this.#maps.set(outer, map);
    return map;
  }

  /** Puts a program into a program array. */
  setProgram(programs: MapSpec, index: number, program: ProgramSpec): void {
    this.#programs.set(`${this.#handle(programs)}/${index}`, program);
  }

  #handle(spec: MapSpec): bigint {
    if (spec.type === "ringbuf") return this.ring(spec as MapSpec<never, unknown>).handle.address;
    return (spec.inner === undefined ? this.map(spec) : this.#nested(spec)).handle.address;
  }

  /** Runs a program with the bytes of its context. Throws `EBPF_RUN` for what the kernel would have refused. */
  run(program: ProgramSpec, context: Uint8Array = new Uint8Array(0)): RunResult {
    return this.#withContext(this.space.place("the context", context), program);
  }

  /** Runs a program that gets a packet: `data` and `data_end` lie where its type has them. The packet may be written. */
  runPacket(program: ProgramSpec, packet: Uint8Array): RunResult {
    const data = this.space.place("the packet", packet).address;
    const offset = program.type === "xdp" ? 0 : 76;
    const pointers = new Map([
      [offset, data],
      [offset + 4, data + BigInt(packet.length)],
    ]);
    const context = new Uint8Array(192);
    new DataView(context.buffer).setUint32(0, packet.length, true);
    return this.#withContext(this.space.place("the context", context, { pointers }), program);
  }

  #withContext(context: MemoryRegion, program: ProgramSpec): RunResult {
    try {
      return this.#finished(this.#execute(program, context.address));
    } finally {
      this.space.remove(context);
    }
  }

  #finished(result: RunResult): RunResult {
    for (const ring of this.#rings.values())
      if (ring.hasReserved) throw new EbpfError("EBPF_RUN", `a record of \`${ring.spec.name}\` is neither submitted nor discarded`);
    return result;
  }

  #execute(program: ProgramSpec, context: bigint): RunResult {
    const slots = this.#slots(program.instructions);
    const execution = new Execution({
      slots,
      space: this.space,
      stepLimit: this.#options.stepLimit ?? 1_000_000,
      call: (id, args) => this.#call(execution, id, args),
      tailCall: (programs, index) => {
        const next = this.#programs.get(`${programs}/${index}`);
        return next === undefined ? undefined : this.#slots(next.instructions);
      },
    });
    return execution.run(context);
  }

  #call(execution: Execution, id: number | string, args: readonly bigint[]): bigint {
    const called = this.#options.functions?.get(id) ?? (typeof id === "number" ? KERNEL_FUNCTIONS.get(id) : undefined);
    if (called === undefined) throw new EbpfError("EBPF_RUN", `the function ${id} is not simulated`, { hint: "give it in `functions`" });
    return called(this.#world(execution), args);
  }

  #world(execution: Execution): World {
    const { now = () => 0n, random = () => 0, process } = this.#options;
    return {
      space: this.space,
      mapAt: (handle) =>
        found(
          [...this.#maps.values()].find((map) => map.handle.address === handle),
          "map",
        ),
      ringAt: (handle) =>
        found(this.#recordOwners.get(handle) ?? [...this.#rings.values()].find((ring) => ring.handle.address === handle), "ring"),
      now,
      random,
      process: { ...NOBODY, ...process },
      callBack: (address, args) => execution.callBack(address, args),
    };
  }

  /** One instruction for each slot, with addresses in place of maps. */
  #slots(instructions: readonly Instruction[]): readonly (Instruction | undefined)[] {
    const starts = slotStarts(instructions);
    const encoded = encodeInstructions(instructions, () => 0);
    const slots: (Instruction | undefined)[] = new Array(encoded.length / SLOT_SIZE).fill(undefined);
    const decoded = decodeInstructions(encoded);
    for (const [index, instruction] of instructions.entries()) {
      const { map, mapValueOffset = 0 } = instruction;
      // What runs is what was encoded; only what the kernel fills in is filled in.
      const machine = { ...instruction, ...decoded[index] };
      if (map === undefined) slots[starts[index] ?? 0] = machine;
      else {
        const address =
          instruction.src === PSEUDO_VALUE.mapValue ? this.map(map).valuesAddress + BigInt(mapValueOffset) : this.#handle(map);
        slots[starts[index] ?? 0] = { ...machine, src: PSEUDO_VALUE.number, imm: address };
      }
    }
    return slots;
  }
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new EbpfError("EBPF_RUN", `an argument is no ${what}`);
  return value;
}
