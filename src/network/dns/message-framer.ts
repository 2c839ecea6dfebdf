/** Messages of DNS on a connection: two octets of length before each (RFC 1035 §4.2.2). */

export function frame(message: Uint8Array): Uint8Array {
  const framed = new Uint8Array(message.length + 2);
  new DataView(framed.buffer).setUint16(0, message.length);
  framed.set(message, 2);
  return framed;
}

/** Holds at most one message and what a chunk has behind it. */
export class MessageFramer {
  readonly #onMessage: (message: Uint8Array) => void;
  #held = new Uint8Array();

  constructor(onMessage: (message: Uint8Array) => void) {
    this.#onMessage = onMessage;
  }

  push(chunk: Uint8Array): void {
    const bytes = new Uint8Array(this.#held.length + chunk.length);
    bytes.set(this.#held);
    bytes.set(chunk, this.#held.length);
    let at = 0;
    for (;;) {
      const length = bytes.length - at < 2 ? undefined : ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
      if (length === undefined || bytes.length - at - 2 < length) break;
      this.#onMessage(bytes.slice(at + 2, at + 2 + length));
      at += 2 + length;
    }
    this.#held = bytes.slice(at);
  }
}
