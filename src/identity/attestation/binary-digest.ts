/** SHA-256 of the programs that workloads run, computed in a thread and remembered while the file stays what it is. */
import { closeSync } from "node:fs";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { VigilError } from "../../lib/error.ts";
import { type FileFacts, isUnchanged } from "../../linux/process-handle.ts";
import type { DigestAnswer, DigestRequest } from "./digest-worker.ts";

export type DigestErrorCode = "DIGEST_TOO_LARGE" | "DIGEST_FAILED";

/** An open file to be hashed; whoever opens it leaves closing to the digester. */
export type OpenFile = () => number;

const DEFAULT_MAX_BYTES = 1024 * 1024 * 1024;
const MAX_CACHED = 4_096;

interface Cached {
  readonly facts: FileFacts;
  readonly digest: Promise<string>;
}

export class BinaryDigest {
  readonly #maxBytes: number;
  readonly #cache = new Map<string, Cached>();
  readonly #pending = new Map<number, { readonly resolve: (digest: string) => void; readonly reject: (error: Error) => void }>();
  #worker: Worker | undefined;
  #lastId = 0;

  constructor(options: { readonly maxBytes?: number } = {}) {
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  }

  /** The digest in lower-case hexadecimal of the file with these facts. Rejects with a `DigestErrorCode`. */
  async of(facts: FileFacts, open: OpenFile): Promise<string> {
    if (facts.size > BigInt(this.#maxBytes)) {
      throw new VigilError<DigestErrorCode>(
        "DIGEST_TOO_LARGE",
        `the program has ${facts.size} bytes, more than the ${this.#maxBytes} that are hashed`,
      );
    }
    const key = `${facts.dev}:${facts.ino}`;
    const cached = this.#cache.get(key);
    if (cached !== undefined && isUnchanged(cached.facts, facts)) {
      this.#remember(key, cached);
      return cached.digest;
    }
    const entry: Cached = { facts, digest: this.#compute(open()) };
    this.#remember(key, entry);
    entry.digest.catch(() => this.#cache.get(key) === entry && this.#cache.delete(key));
    return entry.digest;
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
    this.#failAll("the digester was closed");
  }

  /** The last used is at the end; the first goes when there are too many. */
  #remember(key: string, entry: Cached): void {
    this.#cache.delete(key);
    this.#cache.set(key, entry);
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= MAX_CACHED) break;
      this.#cache.delete(oldest);
    }
  }

  #compute(descriptor: number): Promise<string> {
    const id = ++this.#lastId;
    const digest = new Promise<string>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    this.#worker ??= this.#start();
    this.#worker.ref();
    this.#worker.postMessage({ id, descriptor, maxBytes: this.#maxBytes } satisfies DigestRequest);
    // The descriptors of a process belong to all of its threads.
    return digest.finally(() => closeSync(descriptor));
  }

  #start(): Worker {
    // The same file is .ts in a checkout and .js in the package.
    const worker = new Worker(new URL(`./digest-worker${extname(import.meta.url)}`, import.meta.url));
    worker.on("message", (answer: DigestAnswer) => {
      const waiting = this.#pending.get(answer.id);
      this.#pending.delete(answer.id);
      if (this.#pending.size === 0) worker.unref();
      if (answer.kind === "digest") waiting?.resolve(answer.digest);
      else waiting?.reject(new VigilError<DigestErrorCode>("DIGEST_FAILED", answer.message));
    });
    worker.on("error", (error) => this.#lose(worker, error.message));
    worker.on("exit", () => this.#lose(worker, "its thread ended"));
    return worker;
  }

  #lose(worker: Worker, why: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#failAll(`the program could not be hashed: ${why}`);
  }

  #failAll(message: string): void {
    for (const { reject } of this.#pending.values()) reject(new VigilError<DigestErrorCode>("DIGEST_FAILED", message));
    this.#pending.clear();
  }
}
