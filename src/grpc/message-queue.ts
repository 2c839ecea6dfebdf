/** The messages of the other side as an iterable, for one reader; the stream is paused while that one is behind. */

/** Bytes that may wait before the stream is paused. */
const HIGH_WATER_BYTES = 64 * 1024;
/** What a message takes beside its octets: empty ones fill memory too. */
const OVERHEAD_BYTES = 64;

/** What the queue takes from: a stream that can pause. */
interface Tap {
  pause(): void;
  resume(): void;
}

type Step<T> = IteratorResult<T, undefined>;

export class MessageQueue<T> implements AsyncIterableIterator<T, undefined> {
  readonly #tap: Tap;
  readonly #decode: (message: Uint8Array) => T;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #isPaused = false;
  #end: { readonly failure: unknown } | "end" | undefined;
  #reader: { readonly resolve: (step: Step<T>) => void; readonly reject: (failure: unknown) => void } | undefined;

  constructor(tap: Tap, decode: (message: Uint8Array) => T) {
    this.#tap = tap;
    this.#decode = decode;
  }

  push(message: Uint8Array): void {
    if (this.#end !== undefined) return;
    this.#waiting.push(message);
    this.#waitingBytes += message.length + OVERHEAD_BYTES;
    this.#feed();
    if (this.#waitingBytes <= HIGH_WATER_BYTES || this.#isPaused) return;
    this.#isPaused = true;
    this.#tap.pause();
  }

  /** No more messages will come; those that wait are still given. */
  end(): void {
    this.#end ??= "end";
    this.#feed();
  }

  /** The reader gets this failure at once. */
  fail(failure: unknown): void {
    if (this.#end !== undefined && this.#waiting.length === 0 && this.#reader === undefined) return;
    this.#discard();
    this.#end = { failure };
    this.#feed();
  }

  next(): Promise<Step<T>> {
    if (this.#reader !== undefined) return Promise.reject(new TypeError("one message is waited for already"));
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
      this.#feed();
    });
  }

  /** The reader wants no more: what still comes is dropped. */
  return(): Promise<Step<T>> {
    this.#discard();
    this.#end = "end";
    this.#resume();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #discard(): void {
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
  }

  #feed(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    const message = this.#waiting.shift();
    if (message === undefined && this.#end === undefined) return;
    this.#reader = undefined;
    if (message === undefined) {
      if (typeof this.#end === "object") reader.reject(this.#end.failure);
      else reader.resolve({ done: true, value: undefined });
      return;
    }
    this.#waitingBytes -= message.length + OVERHEAD_BYTES;
    this.#resume();
    try {
      reader.resolve({ done: false, value: this.#decode(message) });
    } catch (failure) {
      this.#end = { failure };
      this.#discard();
      reader.reject(failure);
    }
  }

  #resume(): void {
    if (!this.#isPaused || this.#waitingBytes > HIGH_WATER_BYTES / 2) return;
    this.#isPaused = false;
    this.#tap.resume();
  }
}
