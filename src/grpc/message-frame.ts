/** Messages on a stream (grpc `doc/PROTOCOL-HTTP2.md`, Length-Prefixed-Message): a flag, four octets of length, the message. */
import { GrpcError } from "./grpc-error.ts";

export const FRAME_HEADER_BYTES = 5;

/** The message with its prefix, ready to be written. */
export function frameMessage(message: Uint8Array): Uint8Array {
  const framed = Buffer.allocUnsafe(FRAME_HEADER_BYTES + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, FRAME_HEADER_BYTES);
  return framed;
}

/** What complete messages are given to. */
export interface MessageSink {
  take(message: Uint8Array): void;
}

/**
 * Takes octets as they come and gives messages. A message that is in one chunk is not copied.
 * INVARIANT: holds less than one message and its prefix, whose length was checked before its octets are kept.
 */
export class MessageReader {
  readonly #maxBytes: number;
  #chunks: Uint8Array[] = [];
  #heldBytes = 0;
  /** How many octets the message under way needs with its prefix; the prefix alone while that is unknown. */
  #neededBytes = FRAME_HEADER_BYTES;

  /** `maxBytes`: of one message. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether a message has begun that is not complete. */
  get isInside(): boolean {
    return this.#heldBytes > 0;
  }

  /** Gives each message that `chunk` completes to the sink. UNTRUSTED. Throws a GrpcError on a compressed or oversized message. */
  push(chunk: Uint8Array, sink: MessageSink): void {
    let rest = chunk;
    if (this.#heldBytes > 0) {
      this.#chunks.push(chunk);
      this.#heldBytes += chunk.length;
      if (this.#heldBytes < this.#neededBytes) return;
      rest = Buffer.concat(this.#chunks, this.#heldBytes);
      this.#chunks = [];
    }
    for (;;) {
      if (rest.length < FRAME_HEADER_BYTES) {
        this.#neededBytes = FRAME_HEADER_BYTES;
        break;
      }
      this.#neededBytes = FRAME_HEADER_BYTES + this.#lengthOf(rest);
      if (rest.length < this.#neededBytes) break;
      sink.take(rest.subarray(FRAME_HEADER_BYTES, this.#neededBytes));
      rest = rest.subarray(this.#neededBytes);
    }
    if (rest.length > 0) this.#chunks.push(rest);
    this.#heldBytes = rest.length;
  }

  #lengthOf(prefix: Uint8Array): number {
    const flag = prefix[0];
    if (flag === 1)
      throw new GrpcError("UNIMPLEMENTED", "compressed messages are not supported", {
        hint: "send messages with `grpc-encoding: identity`",
      });
    if (flag !== 0) throw new GrpcError("INTERNAL", "a message begins with neither 0 nor 1");
    const lengthBytes = (prefix[1] ?? 0) * 0x1000000 + (((prefix[2] ?? 0) << 16) | ((prefix[3] ?? 0) << 8) | (prefix[4] ?? 0));
    if (lengthBytes > this.#maxBytes)
      throw new GrpcError("RESOURCE_EXHAUSTED", `a message has ${lengthBytes} bytes, more than ${this.#maxBytes}`);
    return lengthBytes;
  }
}
