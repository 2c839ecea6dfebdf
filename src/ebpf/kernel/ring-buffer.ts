/** The reading end of a BPF ring buffer: memory that the kernel writes and this process reads, without copies or system calls. */
import { SharedMemory } from "../../linux/native.ts";

/**
 * Gets a record: `sizeBytes` from `offset` on. What it needs later it copies, because the kernel overwrites the record once the handler has
 * returned.
 */
export type RecordHandler = (data: DataView, offset: number, sizeBytes: number) => void;

/** Header of a record (include/uapi/linux/bpf.h): its length with two flags, then a page offset. */
const HEADER_SIZE = 8;
const IS_BUSY = 0x8000_0000 | 0;
const IS_DISCARDED = 0x4000_0000;
const LENGTH_MASK = 0x3fff_ffff;

/** How many bytes may be read before the kernel is told that they are free: small enough to keep it writing, large enough to cost nothing. */
const PUBLISH_SHARE = 8;

export interface DrainResult {
  /** Records given to the handler; discarded ones are not among them. */
  readonly count: number;
  /** Nothing was left that could be read when it stopped. */
  readonly isEmpty: boolean;
}

/**
 * Layout of the mapping: a page that holds the reader's position, a page with the writer's, then the data twice in a row, so that a record at
 * the end of the ring goes on without a break.
 *
 * INVARIANT: positions are read and written by `Atomics` on views of memory that is not a SharedArrayBuffer. ECMAScript allows that, and V8
 * compiles it to sequentially consistent loads and stores (x86-64 `mov` and `xchg`, arm64 `ldar` and `stlr`): the data of a record is read
 * after the length that publishes it, and space is given back after its data was read. Plain accesses would be right on x86-64 only.
 */
export class RingBuffer implements Disposable {
  readonly sizeBytes: number;
  readonly #consumerMemory: SharedMemory;
  readonly #producerMemory: SharedMemory;
  readonly #consumer: BigInt64Array;
  readonly #producer: Int32Array;
  readonly #headers: Int32Array;
  readonly #data: DataView;
  /** All that was ever read, in bytes; exact up to 2^53. */
  #position: number;
  #published: number;

  /** `sizeBytes` is the ring's, a power of two. Throws `LINUX_CALL` when it cannot be mapped. */
  constructor(fd: number, sizeBytes: number, pageSize: number) {
    this.sizeBytes = sizeBytes;
    this.#consumerMemory = new SharedMemory(fd, { sizeBytes: pageSize, isWritable: true });
    try {
      this.#producerMemory = new SharedMemory(fd, { sizeBytes: pageSize + 2 * sizeBytes, offsetBytes: pageSize });
    } catch (thrown) {
      this.#consumerMemory[Symbol.dispose]();
      throw thrown;
    }
    this.#consumer = new BigInt64Array(this.#consumerMemory.buffer, 0, 1);
    this.#producer = new Int32Array(this.#producerMemory.buffer, 0, 2);
    this.#headers = new Int32Array(this.#producerMemory.buffer, pageSize);
    this.#data = new DataView(this.#producerMemory.buffer, pageSize);
    this.#position = Number(Atomics.load(this.#consumer, 0));
    this.#published = this.#position;
  }

  /** Bytes that are written and not yet read, headers and records under way included. */
  availableBytes(): number {
    // Positions are 64 bits, but never more than the size of the ring apart.
    return (Atomics.load(this.#producer, 0) - (this.#position | 0)) | 0;
  }

  /**
   * Reads up to `maxRecords` records, discarded ones included, and gives the others to the handler, in order; stops before one that is still
   * being written. If the handler throws, its record counts as read.
   */
  drain(handler: RecordHandler, maxRecords: number): DrainResult {
    let left = maxRecords;
    let count = 0;
    try {
      while (left > 0) {
        const available = this.availableBytes();
        // The kernel wakes a reader only when it sees that it has read everything: say so first, then look again.
        if (available === 0 && !this.#publish()) return { count, isEmpty: true };
        const { read, given } = this.#drainWritten(handler, available, left);
        count += given;
        left -= read;
        if (available > 0 && read === 0) return { count, isEmpty: true };
      }
      return { count, isEmpty: false };
    } finally {
      this.#publish();
    }
  }

  /**
   * Where the next record is, past discarded ones: its offset for `take`, or -1 when none is there, or the next is still being written. Until it
   * is taken it stays where it is.
   */
  peek(): number {
    const mask = this.sizeBytes - 1;
    for (;;) {
      // As `drain` does: it says what was read, then looks again.
      if (this.availableBytes() === 0 && (!this.#publish() || this.availableBytes() === 0)) return -1;
      const at = this.#position & mask;
      const header = Atomics.load(this.#headers, at >> 2);
      if ((header & IS_BUSY) !== 0) return -1;
      if ((header & IS_DISCARDED) === 0) return at + HEADER_SIZE;
      this.#skip(header & LENGTH_MASK);
    }
  }

  /** What `peek` looks at: valid until the record is taken. */
  get data(): DataView {
    return this.#data;
  }

  /** Gives the record at the offset that `peek` has just returned to the handler. If that throws, its record counts as read. */
  take(offset: number, handler: RecordHandler): void {
    const sizeBytes = Atomics.load(this.#headers, (offset - HEADER_SIZE) >> 2) & LENGTH_MASK;
    // Its space is given back with the next one's at the earliest: the handler still reads it.
    if (this.#position - this.#published >= this.sizeBytes / PUBLISH_SHARE) this.#publish();
    this.#skip(sizeBytes);
    handler(this.#data, offset, sizeBytes);
  }

  /** Gives the space of what was taken back. */
  release(): void {
    this.#publish();
  }

  #skip(sizeBytes: number): void {
    this.#position += (sizeBytes + HEADER_SIZE + 7) & -8;
  }

  #drainWritten(handler: RecordHandler, available: number, maxRecords: number): { readonly read: number; readonly given: number } {
    const headers = this.#headers;
    const data = this.#data;
    const mask = this.sizeBytes - 1;
    const publishEvery = this.sizeBytes / PUBLISH_SHARE;
    let at = this.#position % this.sizeBytes;
    let left = available;
    let read = 0;
    let given = 0;
    while (left > 0 && read < maxRecords) {
      const header = Atomics.load(headers, at >> 2);
      if ((header & IS_BUSY) !== 0) break;
      const sizeBytes = header & LENGTH_MASK;
      const occupied = (sizeBytes + HEADER_SIZE + 7) & -8;
      if (occupied > left) throw new RangeError(`expected a record within ${left} bytes, got ${sizeBytes}`);
      this.#position += occupied;
      left -= occupied;
      read++;
      if ((header & IS_DISCARDED) === 0) {
        given++;
        handler(data, at + HEADER_SIZE, sizeBytes);
      }
      at = (at + occupied) & mask;
      if (this.#position - this.#published >= publishEvery) this.#publish();
    }
    return { read, given };
  }

  /** Tells the kernel what was read; false when it knew. */
  #publish(): boolean {
    if (this.#published === this.#position || this.#consumer.length === 0) return false;
    this.#published = this.#position;
    Atomics.store(this.#consumer, 0, BigInt(this.#position));
    return true;
  }

  [Symbol.dispose](): void {
    this.#consumerMemory[Symbol.dispose]();
    this.#producerMemory[Symbol.dispose]();
  }
}
