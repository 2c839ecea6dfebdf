/** Maps with typed keys and values. */
import { LinuxCallError } from "../../linux/linux-error.ts";
import type { LayoutCodec } from "../layout-codec.ts";
import { ERRNO } from "./bpf-command.ts";
import type { LoadedMap } from "./loaded-map.ts";
import { type EncodedEntries, keyCodec, valueCodec } from "./map-codec.ts";
import type { RawMap, UpdateMode } from "./raw-map.ts";

/** Entries per batch; a hash needs room for its fullest bucket. */
const BATCH_ENTRIES = 4096;
/** Bytes of keys or values per batch, at most. */
const BATCH_BYTES = 1 << 22;

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The kernel has no batches for this type of map (EINVAL: it is older than batches). */
const lacksBatches = (errno: number): boolean => errno === ERRNO.ENOTSUPP || errno === ERRNO.EOPNOTSUPP || errno === ERRNO.EINVAL;

/** A map whose keys and values are what their layouts say. Reading and writing one entry is one system call and makes no garbage but the value. */
export class KeyedMap<K, V> {
  readonly map: LoadedMap<K, V>;
  readonly #raw: RawMap;
  readonly #key: LayoutCodec<K>;
  readonly #value: LayoutCodec<V>;
  readonly #keyView: DataView;
  readonly #valueView: DataView;

  constructor(map: LoadedMap<K, V>) {
    this.map = map;
    this.#raw = map.raw;
    this.#key = keyCodec(map.spec);
    this.#value = valueCodec(map.spec);
    this.#keyView = viewOf(this.#raw.key);
    this.#valueView = viewOf(this.#raw.value);
  }

  get(key: K): V | undefined {
    this.#key.encode(this.#keyView, 0, key);
    return this.#raw.lookup() ? this.#value.decode(this.#valueView, 0) : undefined;
  }

  /** False when `mode` forbids it: the key exists (`create`) or does not (`replace`). Throws `LINUX_CALL` when the map is full. */
  set(key: K, value: V, mode: UpdateMode = "any"): boolean {
    this.#key.encode(this.#keyView, 0, key);
    this.#value.encode(this.#valueView, 0, value);
    return this.#raw.update(mode);
  }

  /** False when there was no such key. */
  delete(key: K): boolean {
    this.#key.encode(this.#keyView, 0, key);
    return this.#raw.delete();
  }

  /** Reads and deletes in one step. For hashes. */
  take(key: K): V | undefined {
    this.#key.encode(this.#keyView, 0, key);
    return this.#raw.lookupAndDelete() ? this.#value.decode(this.#valueView, 0) : undefined;
  }

  /**
   * Writes many entries, by batches where the kernel has them. Not atomic as a set: programs see some of the entries before others, in the order
   * given. Throws `LINUX_CALL` when one of them is refused; those before it are written.
   */
  setAll(entries: Iterable<readonly [K, V]>): void {
    const size = this.#chunk();
    const { keySize, valueSize } = this.#raw.shape;
    const keys = new Uint8Array(size * keySize);
    const values = new Uint8Array(size * valueSize);
    const [keyView, valueView] = [viewOf(keys), viewOf(values)];
    let count = 0;
    for (const [key, value] of entries) {
      this.#key.encode(keyView, count * keySize, key);
      this.#value.encode(valueView, count * valueSize, value);
      if (++count < size) continue;
      this.#writeChunk(count, keys, values);
      count = 0;
    }
    if (count > 0) this.#writeChunk(count, keys, values);
  }

  #writeChunk(count: number, keys: Uint8Array, values: Uint8Array): void {
    const { done, errno } = this.#raw.batch("mapUpdateBatch", count, keys, values);
    if (errno === 0) return;
    if (!lacksBatches(errno) || done > 0) throw new LinuxCallError(`write ${count} entries to the map \`${this.map.spec.name}\``, errno);
    const { keySize, valueSize } = this.#raw.shape;
    for (let index = 0; index < count; index++) {
      this.#raw.key.set(keys.subarray(index * keySize, (index + 1) * keySize));
      this.#raw.value.set(values.subarray(index * valueSize, (index + 1) * valueSize));
      this.#raw.update("any");
    }
  }

  /** As `setAll`, with entries that were encoded before for a map of this layout. */
  setEncoded(blocks: Iterable<EncodedEntries>): void {
    for (const { count, keys, values } of this.#joined(blocks)) this.#writeChunk(count, keys, values);
  }

  /** Deletes the keys of entries that were encoded before; returns how many there were. */
  deleteEncoded(blocks: Iterable<EncodedEntries>): number {
    let deleted = 0;
    for (const { count, keys } of this.#joined(blocks)) deleted += this.#deleteChunk(count, keys);
    return deleted;
  }

  /** In pieces that are as large as a batch may be. What is given is overwritten by the next piece. */
  *#joined(blocks: Iterable<EncodedEntries>): Generator<EncodedEntries, void> {
    const size = this.#chunk();
    const { keySize, valueSize } = this.#raw.shape;
    const keys = new Uint8Array(size * keySize);
    const values = new Uint8Array(size * valueSize);
    let count = 0;
    for (const block of blocks) {
      for (let from = 0; from < block.count; ) {
        const taken = Math.min(size - count, block.count - from);
        keys.set(block.keys.subarray(from * keySize, (from + taken) * keySize), count * keySize);
        values.set(block.values.subarray(from * valueSize, (from + taken) * valueSize), count * valueSize);
        from += taken;
        count += taken;
        if (count < size) continue;
        yield { count, keys, values };
        count = 0;
      }
    }
    if (count > 0) yield { count, keys, values };
  }

  /** Deletes many keys, by batches where the kernel has them; returns how many there were. */
  deleteAll(keys: Iterable<K>): number {
    const size = this.#chunk();
    const { keySize } = this.#raw.shape;
    const buffer = new Uint8Array(size * keySize);
    const view = viewOf(buffer);
    let count = 0;
    let deleted = 0;
    for (const key of keys) {
      this.#key.encode(view, count * keySize, key);
      if (++count < size) continue;
      deleted += this.#deleteChunk(count, buffer);
      count = 0;
    }
    return deleted + (count > 0 ? this.#deleteChunk(count, buffer) : 0);
  }

  #deleteChunk(count: number, keys: Uint8Array): number {
    const { keySize } = this.#raw.shape;
    let deleted = 0;
    let start = 0;
    while (start < count) {
      const { done, errno } = this.#raw.batch("mapDeleteBatch", count - start, keys.subarray(start * keySize));
      deleted += done;
      start += done;
      if (errno === 0) return deleted;
      if (errno !== ERRNO.ENOENT && !lacksBatches(errno))
        throw new LinuxCallError(`delete ${count} entries from the map \`${this.map.spec.name}\``, errno);
      // The one at `start` does not exist, or has to be deleted by itself.
      this.#raw.key.set(keys.subarray(start * keySize, (start + 1) * keySize));
      if (this.#raw.delete()) deleted++;
      start++;
    }
    return deleted;
  }

  /**
   * The entries, by batches where the kernel has them. Programs may write meanwhile: an entry that is added or deleted during the walk may be seen
   * or not, and in a hash one may be seen twice. The walk ends after about as many entries as the map can hold, whatever programs do.
   */
  *entries(): Generator<[K, V], void> {
    let limit = this.#raw.shape.maxEntries;
    for (const { keys, values, count } of this.#chunks()) {
      const { keySize, valueSize } = this.#raw.shape;
      const [keyView, valueView] = [viewOf(keys), viewOf(values)];
      for (let index = 0; index < count; index++)
        yield [this.#key.decode(keyView, index * keySize), this.#value.decode(valueView, index * valueSize)];
      limit -= count;
      if (limit <= 0) return;
    }
  }

  *#chunks(): Generator<{ readonly keys: Uint8Array; readonly values: Uint8Array; readonly count: number }, void> {
    const { keySize, valueSize } = this.#raw.shape;
    const cursor = new Uint8Array(Math.max(4, keySize));
    let size = this.#chunk();
    let isFirst = true;
    for (;;) {
      const [keys, values] = [new Uint8Array(size * keySize), new Uint8Array(size * valueSize)];
      const { done, errno } = this.#raw.readBatch("mapLookupBatch", size, { keys, values, cursor, isFirst });
      if (lacksBatches(errno) && isFirst) return yield* this.#singles();
      if (errno === ERRNO.ENOSPC && size < this.#raw.shape.maxEntries) {
        // A bucket of the hash has more entries than the buffer.
        size *= 2;
        continue;
      }
      if (errno !== 0 && errno !== ERRNO.ENOENT) throw new LinuxCallError(`read the map \`${this.map.spec.name}\``, errno);
      yield { keys, values, count: done };
      if (errno === ERRNO.ENOENT) return;
      isFirst = false;
    }
  }

  *#singles(): Generator<{ readonly keys: Uint8Array; readonly values: Uint8Array; readonly count: number }, void> {
    let position: Uint8Array | undefined;
    for (;;) {
      if (position !== undefined) this.#raw.key.set(position);
      if (!this.#raw.nextKey(position === undefined)) return;
      position = this.#raw.key.slice();
      if (this.#raw.lookup()) yield { keys: position, values: this.#raw.value.slice(), count: 1 };
    }
  }

  #chunk(): number {
    const { keySize, valueSize, maxEntries } = this.#raw.shape;
    return Math.max(1, Math.min(BATCH_ENTRIES, maxEntries, Math.floor(BATCH_BYTES / Math.max(1, keySize, valueSize))));
  }
}
