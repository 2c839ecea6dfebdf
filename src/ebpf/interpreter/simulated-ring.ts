/** A ring buffer in memory. */
import { decodeValue } from "../layout-codec.ts";
import type { MapSpec } from "../map-spec.ts";
import type { AddressSpace, MemoryRegion } from "./address-space.ts";

const HEADER_SIZE = 8;
const AGAIN = -11n;

interface Record {
  readonly region: MemoryRegion;
  state: "reserved" | "submitted" | "discarded";
}

export class SimulatedRing<V = unknown> {
  readonly spec: MapSpec<never, V>;
  readonly handle: MemoryRegion;
  readonly #space: AddressSpace;
  readonly #owners: Map<bigint, SimulatedRing>;
  #records: Record[] = [];

  /** `owners` finds the ring of a record by the record's address. */
  constructor(spec: MapSpec<never, V>, space: AddressSpace, owners: Map<bigint, SimulatedRing>) {
    this.spec = spec;
    this.#space = space;
    this.#owners = owners;
    this.handle = space.place(`the ring ${spec.name}`, new Uint8Array(0));
  }

  get #usedBytes(): number {
    return this.#records.reduce((sum, { region }) => sum + footprint(region.bytes.length), 0);
  }

  /** Whether the program holds a record. */
  get hasReserved(): boolean {
    return this.#records.some(({ state }) => state === "reserved");
  }

  /** The address of a new record, or 0 when the ring is full. Its bytes are as good as random, as in the kernel. */
  reserve(size: number): bigint {
    if (this.#usedBytes + footprint(size) > this.spec.maxEntries) return 0n;
    const region = this.#space.place(`a record of ${this.spec.name}`, new Uint8Array(size).fill(0xa5));
    this.#records.push({ region, state: "reserved" });
    this.#owners.set(region.address, this);
    return region.address;
  }

  release(region: MemoryRegion, isSubmitted: boolean): void {
    const record = this.#records.find((candidate) => candidate.region === region && candidate.state === "reserved");
    if (record === undefined) throw new TypeError("the record was given away before");
    record.state = isSubmitted ? "submitted" : "discarded";
    this.#owners.delete(region.address);
    this.#space.remove(region);
  }

  output(bytes: Uint8Array): bigint {
    const address = this.reserve(bytes.length);
    const found = this.#space.find(address);
    if (found === undefined) return AGAIN;
    found.region.bytes.set(bytes);
    this.release(found.region, true);
    return 0n;
  }

  /** The records that were submitted, as bytes, which makes room for others. */
  takeBytes(): readonly Uint8Array[] {
    const taken = this.#records.filter(({ state }) => state === "submitted").map(({ region }) => region.bytes);
    this.#records = this.#records.filter(({ state }) => state === "reserved");
    return taken;
  }

  /** The records that were submitted, which makes room for others. */
  take(): readonly V[] {
    const { value } = this.spec;
    if (value === undefined) throw new TypeError(`\`${this.spec.name}\` has no layout for its records`);
    return this.takeBytes().map((bytes) => decodeValue(value, bytes));
  }
}

const footprint = (size: number): number => Math.ceil((size + HEADER_SIZE) / 8) * 8;
