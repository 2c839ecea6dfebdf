/** Memory as a program sees it: regions at addresses far apart, so that no access reaches from one into another. */
import { EbpfError } from "../ebpf-error.ts";

export interface MemoryRegion {
  readonly name: string;
  readonly address: bigint;
  readonly bytes: Uint8Array;
  readonly isWritable: boolean;
  /** Fields of a context that are pointers, by offset: a load of any width gives the whole address. */
  readonly pointers?: ReadonlyMap<number, bigint>;
}

const REGION_BITS = 32n;
const MAX_REGIONS = 1 << 20;

export class AddressSpace {
  readonly #regions = new Map<bigint, MemoryRegion>();
  #next = 1n;

  /** Gives bytes an address. */
  place(
    name: string,
    bytes: Uint8Array,
    options: { readonly isWritable?: boolean; readonly pointers?: ReadonlyMap<number, bigint> } = {},
  ): MemoryRegion {
    if (this.#regions.size >= MAX_REGIONS) throw new EbpfError("EBPF_RUN", `the program has more than ${MAX_REGIONS} pieces of memory`);
    const number = this.#next++;
    const { isWritable = true, pointers } = options;
    const region = { name, address: number << REGION_BITS, bytes, isWritable, ...(pointers === undefined ? {} : { pointers }) };
    this.#regions.set(number, region);
    return region;
  }

  remove(region: MemoryRegion): void {
    this.#regions.delete(region.address >> REGION_BITS);
  }

  /** The region that an address lies in, and where. */
  find(address: bigint): { readonly region: MemoryRegion; readonly offset: number } | undefined {
    const region = this.#regions.get(address >> REGION_BITS);
    return region === undefined ? undefined : { region, offset: Number(address - region.address) };
  }

  /** So many bytes at an address. Throws `EBPF_RUN` where they are not memory. */
  bytes(address: bigint, size: number, isWrite: boolean): Uint8Array {
    const found = this.find(address);
    if (found === undefined)
      throw new EbpfError("EBPF_RUN", `there is no memory at 0x${address.toString(16)}${address === 0n ? ": the pointer is null" : ""}`);
    const { region, offset } = found;
    if (offset + size > region.bytes.length)
      throw new EbpfError("EBPF_RUN", `${size} bytes at ${offset} of ${region.name} are beyond its ${region.bytes.length}`);
    if (isWrite && !region.isWritable) throw new EbpfError("EBPF_RUN", `${region.name} cannot be written`);
    return region.bytes.subarray(offset, offset + size);
  }

  load(address: bigint, size: number): bigint {
    const found = this.find(address);
    const pointer = found?.region.pointers?.get(found.offset);
    if (pointer !== undefined) return pointer;
    let value = 0n;
    for (const byte of this.bytes(address, size, false).toReversed()) value = (value << 8n) | BigInt(byte);
    return value;
  }

  store(address: bigint, size: number, value: bigint): void {
    const target = this.bytes(address, size, true);
    for (let index = 0; index < size; index++) target[index] = Number((value >> BigInt(8 * index)) & 0xffn);
  }
}
