/** The thread that hashes programs, so that a large one does not keep the agent from answering. */
import { createHash } from "node:crypto";
import { readSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { messageOf } from "../../lib/error.ts";

export interface DigestRequest {
  readonly id: number;
  /** Stays open until the answer. */
  readonly descriptor: number;
  readonly maxBytes: number;
}

export type DigestAnswer =
  | { readonly kind: "digest"; readonly id: number; readonly digest: string }
  | { readonly kind: "failed"; readonly id: number; readonly message: string };

const CHUNK_BYTES = 1024 * 1024;
const chunk = Buffer.allocUnsafe(CHUNK_BYTES);

function digestOf({ descriptor, maxBytes }: DigestRequest): string {
  const hash = createHash("sha256");
  for (let position = 0; ; ) {
    const count = readSync(descriptor, chunk, 0, CHUNK_BYTES, position);
    if (count === 0) return hash.digest("hex");
    position += count;
    // The file may grow while it is read.
    if (position > maxBytes) throw new RangeError(`the program has more than ${maxBytes} bytes`);
    hash.update(chunk.subarray(0, count));
  }
}

parentPort?.on("message", (request: DigestRequest) => {
  let answer: DigestAnswer;
  try {
    answer = { kind: "digest", id: request.id, digest: digestOf(request) };
  } catch (error) {
    answer = { kind: "failed", id: request.id, message: messageOf(error) };
  }
  parentPort?.postMessage(answer);
});
