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
}

/**
 * Reads one or more rings until it is disposed. It keeps the process alive meanwhile.
 *
 * Each ring has its own limit per turn, so that a storm in one does not starve the others. While it is paused, or while handlers are slower than
 * programs, a ring fills; then programs drop records and count them (`losses`). An exception of a handler is uncaught, and its record counts as
 * read.
 */
export class RingReader implements Disposable {
  readonly #rings: readonly Ring[];
  readonly #maxRecords: number;
  readonly #onLoss: RingReaderOptions["onLoss"];
  #isClosed = false;

  /** Takes over nothing: the maps stay their owner's. Throws `LINUX_CALL` when a ring cannot be mapped. */
  constructor(sources: readonly RingSource[], options: RingReaderOptions = {}) {
    this.#maxRecords = options.maxRecordsPerTurn ?? MAX_RECORDS_PER_TURN;
    this.#onLoss = options.onLoss;
    using opening = new DisposableStack();
    const pageSize = pageSizeBytes();
    this.#rings = sources.map((source) => {
      const buffer = opening.use(new RingBuffer(source.map.fd, source.map.spec.maxEntries, pageSize));
      return { source, buffer, watch: undefined, knownLosses: 0 };
    });
    opening.move();
  }

  /** Begins to read, or goes on after `pause`. */
  resume(): void {
    if (this.#isClosed) throw new TypeError("the ring reader is closed");
    for (const ring of this.#rings) {
      ring.watch ??= watchReadable(ring.source.map.fd, () => this.#turn(ring));
    }
  }

  /** Stops reading until `resume`: back-pressure, since programs cannot wait. */
  pause(): void {
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
    for (const ring of this.#rings) {
      ring.buffer[Symbol.dispose]();
      this.#tellLosses(ring);
    }
  }

  #turn(ring: Ring): void {
    // A ring loses records only while it is nearly full.
    const mayHaveLost = ring.buffer.availableBytes() * 2 > ring.buffer.sizeBytes;
    const { isEmpty } = ring.buffer.drain(ring.source.onRecord, this.#maxRecords);
    if (mayHaveLost || !isEmpty) this.#tellLosses(ring);
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
