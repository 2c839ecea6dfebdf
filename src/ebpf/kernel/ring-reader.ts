/** Reads ring buffers from the event loop: woken by the kernel, with limits per turn, and losses counted. */
import { type ReadinessWatch, watchReadable } from "../../linux/native.ts";
import { pageSizeBytes } from "../../linux/page-size.ts";
import { type IntegerLayout, u64AsNumber } from "../layout.ts";
import { arrayMap, type MapSpec } from "../map-spec.ts";
import type { LoadedMap } from "./loaded-map.ts";
import type { PerCpuMap } from "./per-cpu-map.ts";
import { type RecordHandler, RingBuffer } from "./ring-buffer.ts";

/** By convention, a program adds 1 at index 0 of this map whenever a ring has no room for its record. */
export function lossCounter(name: string): MapSpec<number, number> {
  const value: IntegerLayout<number> = u64AsNumber;
  return arrayMap(name, { value, maxEntries: 1, perCpu: true });
}

export interface RingSource {
  readonly map: LoadedMap;
  readonly onRecord: RecordHandler;
  /** The ring's `lossCounter`, loaded. Without it, losses cannot be known. */
  readonly losses?: PerCpuMap<number, number>;
}

export interface RingReaderOptions {
  /** After so many records of one ring, others and the rest of the process have their turn. */
  readonly maxRecordsPerTurn?: number;
  /**
   * Where each record of each ring has a 64-bit number, such as the nanoseconds of its time: of all rings, the record with the lowest is read
   * next. Without it, one ring is read after the other.
   *
   * What one program wrote before another one began, on whatever CPU, is read before what that one wrote, if both take the number as they begin:
   * a record that is seen shows that those before it can be seen, too.
   */
  readonly orderedBy?: number;
  /** Told how many records of a ring were lost since it was told before: as soon as the ring has been more than half full, and when reading ends. */
  readonly onLoss?: (count: number, map: LoadedMap) => void;
}

const MAX_RECORDS_PER_TURN = 16_384;
/** Bytes of a record without data: its header. */
const SMALLEST_RECORD = 8;

interface Ring {
  readonly source: RingSource;
  readonly buffer: RingBuffer;
  watch: ReadinessWatch | undefined;
  knownLosses: number;
  /** The number of the next record that it is ordered by, once that is known; else -1. */
  head: number;
  headOffset: number;
}

function ringOf(source: RingSource, opening: DisposableStack): Ring {
  const buffer = opening.use(new RingBuffer(source.map.fd, source.map.spec.maxEntries, pageSizeBytes()));
  return { source, buffer, watch: undefined, knownLosses: 0, head: -1, headOffset: 0 };
}

/** 64 bits as a number: above 2^53 neighbours are no longer told apart, their order stays. */
const numberAt = (data: DataView, offset: number): number =>
  data.getUint32(offset, true) + data.getUint32(offset + 4, true) * 4_294_967_296;

/**
 * Reads one or more rings until it is disposed. It keeps the process alive meanwhile.
 *
 * Each ring has its own limit per turn, so that a storm in one does not starve the others. While it is paused, or while handlers are slower than
 * programs, a ring fills; then programs drop records and count them (`losses`). An exception of a handler is uncaught, and its record counts as
 * read.
 */
export class RingReader implements Disposable {
  readonly #rings: Ring[];
  readonly #maxRecords: number;
  readonly #orderedBy: number | undefined;
  readonly #onLoss: RingReaderOptions["onLoss"];
  #isReading = false;
  #isClosed = false;

  /** Takes over nothing: the maps stay their owner's. Throws `LINUX_CALL` when a ring cannot be mapped. */
  constructor(sources: readonly RingSource[], options: RingReaderOptions = {}) {
    this.#maxRecords = options.maxRecordsPerTurn ?? MAX_RECORDS_PER_TURN;
    this.#orderedBy = options.orderedBy;
    this.#onLoss = options.onLoss;
    using opening = new DisposableStack();
    this.#rings = sources.map((source) => ringOf(source, opening));
    opening.move();
  }

  /** Reads these too, from now on, until what is returned is disposed: that reads what is left in them, and tells what was lost. Throws `LINUX_CALL`. */
  add(sources: readonly RingSource[]): Disposable {
    using opening = new DisposableStack();
    const added = sources.map((source) => ringOf(source, opening));
    if (this.#isReading) for (const ring of added) this.#watch(ring);
    opening.move();
    this.#rings.push(...added);
    return {
      [Symbol.dispose]: () => {
        if (this.#isClosed) return;
        this.drain();
        for (const ring of added) {
          const at = this.#rings.indexOf(ring);
          if (at < 0) continue;
          this.#rings.splice(at, 1);
          this.#close(ring);
        }
      },
    };
  }

  /** Begins to read, or goes on after `pause`. */
  resume(): void {
    if (this.#isClosed) throw new TypeError("the ring reader is closed");
    this.#isReading = true;
    for (const ring of this.#rings) this.#watch(ring);
  }

  #watch(ring: Ring): void {
    ring.watch ??= watchReadable(ring.source.map.fd, () => (this.#orderedBy === undefined ? this.#turn(ring) : this.#turnOfAll()));
  }

  /** Stops reading until `resume`: back-pressure, since programs cannot wait. */
  pause(): void {
    this.#isReading = false;
    for (const ring of this.#rings) {
      ring.watch?.[Symbol.dispose]();
      ring.watch = undefined;
    }
  }

  /** Lets the process end although rings are read. */
  unref(): void {
    for (const ring of this.#rings) ring.watch?.unref();
  }

  /** Reads what is there now, without waiting for the kernel to wake this process; returns the number of records. At most a full ring of each. */
  drain(): number {
    if (this.#orderedBy !== undefined) {
      const capacity = this.#rings.reduce((sum, { buffer }) => sum + buffer.sizeBytes, 0) / SMALLEST_RECORD;
      return this.#drainInOrder(this.#orderedBy, capacity);
    }
    let count = 0;
    for (const { buffer, source } of this.#rings) count += buffer.drain(source.onRecord, buffer.sizeBytes / SMALLEST_RECORD).count;
    return count;
  }

  /** All records that a ring has lost since its counter was created. */
  lossesOf(map: LoadedMap): number {
    const ring = this.#rings.find(({ source }) => source.map === map);
    if (ring === undefined) throw new TypeError(`the ring \`${map.spec.name}\` is not read here`);
    return countLosses(ring.source);
  }

  /** Reads nothing more; what is left in the rings stays there. Losses that were not told yet are told. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.pause();
    for (const ring of this.#rings) this.#close(ring);
  }

  #close(ring: Ring): void {
    ring.watch?.[Symbol.dispose]();
    ring.watch = undefined;
    ring.buffer[Symbol.dispose]();
    this.#tellLosses(ring);
  }

  #turn(ring: Ring): void {
    // A ring loses records only while it is nearly full.
    const mayHaveLost = ring.buffer.availableBytes() * 2 > ring.buffer.sizeBytes;
    const { isEmpty } = ring.buffer.drain(ring.source.onRecord, this.#maxRecords);
    if (mayHaveLost || !isEmpty) this.#tellLosses(ring);
  }

  #turnOfAll(): void {
    if (this.#isClosed) return;
    const mayHaveLost = this.#rings.map(({ buffer }) => buffer.availableBytes() * 2 > buffer.sizeBytes);
    const count = this.#drainInOrder(this.#orderedBy ?? 0, this.#maxRecords);
    for (const [index, ring] of this.#rings.entries()) if (mayHaveLost[index] || count === this.#maxRecords) this.#tellLosses(ring);
  }

  #drainInOrder(orderedBy: number, maxRecords: number): number {
    let count = 0;
    try {
      for (; count < maxRecords && !this.#isClosed; count++) {
        const next = this.#next(orderedBy);
        if (next === undefined) return count;
        const { source, buffer } = next;
        next.head = -1;
        buffer.take(next.headOffset, source.onRecord);
      }
      return count;
    } finally {
      for (const { buffer } of this.#rings) buffer.release();
    }
  }

  /** The ring whose next record is the first of all. */
  #next(orderedBy: number): Ring | undefined {
    let first: Ring | undefined;
    // A ring that was empty may have got an earlier record before the one that was found came: such are looked at again.
    for (let look = 0; look < 2; look++) {
      for (const ring of this.#rings) {
        if (ring.head < 0) {
          const offset = ring.buffer.peek();
          if (offset < 0) continue;
          ring.headOffset = offset;
          ring.head = numberAt(ring.buffer.data, offset + orderedBy);
        }
        if (first === undefined || ring.head < first.head) first = ring;
      }
    }
    return first;
  }

  #tellLosses(ring: Ring): void {
    if (this.#onLoss === undefined || ring.source.losses === undefined) return;
    const losses = countLosses(ring.source);
    const fresh = losses - ring.knownLosses;
    ring.knownLosses = losses;
    if (fresh > 0) this.#onLoss(fresh, ring.source.map);
  }
}

function countLosses({ losses }: RingSource): number {
  let sum = 0;
  for (const count of losses?.get(0) ?? []) sum += count;
  return sum;
}
