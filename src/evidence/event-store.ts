/**
 * The embedded event store as its process sees it: appending is a push onto a queue, a worker thread commits in groups.
 *
 * Promise: an acknowledged event survives `kill -9` (and, when its batch held a denial, a loss of power); every event that could not be
 * kept is counted in a gap event. A verdict never waits for any of it.
 */
import { once } from "node:events";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { VigilEvent } from "../event/event.ts";
import type { EventProducer } from "../event/producer.ts";
import { LossCounter } from "./loss-counter.ts";
import { DEFAULT_RETENTION, type Retention } from "./retention.ts";
import type { WriterAnswer, WriterOptions, WriterRequest } from "./writer-worker.ts";

export interface EventStoreOptions {
  /** Holds a file per day; made with mode 0700 when it does not exist. */
  readonly directory: string;
  /** Stamps the gap events. */
  readonly producer: EventProducer;
  readonly retention?: Retention;
  /** Told when writing begins to fail (with the reason) and when it works again (undefined). */
  readonly onWriting?: (error: string | undefined) => void;
  /** Queued events beyond which what was allowed or merely observed is dropped and counted; twice as many and all are. Default 65,536. */
  readonly queueLimit?: number;
}

export interface EventStoreStatus {
  readonly state: "ok" | "failing" | "closed";
  /** Why it is failing, in the words of the file system or SQLite. */
  readonly error?: string;
  readonly queued: number;
  readonly committed: number;
  readonly lost: number;
}

const MAX_BATCH = 1024;
const GROUP_DELAY_MS = 5;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;

/** What is merely observed, or was allowed: dropped first, and not worth a wait for the disk. */
function isExpendable(event: VigilEvent): boolean {
  switch (event.kind) {
    case "decision":
    case "flow":
      return event.verdict === "allow";
    case "process":
    case "file":
    case "network":
      return true;
    case "action":
    case "gap":
    case "finding":
      return false;
    default:
      return event satisfies never;
  }
}
/** Events whose batch is synced to the disk before it is acknowledged: whatever said no, was found, or was done by Vigil. */
const needsSync = (event: VigilEvent): boolean =>
  event.kind === "decision" || event.kind === "flow" ? event.verdict === "deny" : !isExpendable(event);

export class EventStore {
  readonly #options: EventStoreOptions;
  readonly #queueLimit: number;
  readonly #losses = new LossCounter();
  readonly #waiting = new Map<string, () => void>();
  #worker: Worker | undefined;
  #queue: VigilEvent[] = [];
  #inFlight: readonly VigilEvent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #retryMs = RETRY_MIN_MS;
  #error: string | undefined;
  #committed = 0;
  #closing: (() => void) | undefined;
  #isClosed = false;

  constructor(options: EventStoreOptions) {
    this.#options = options;
    this.#queueLimit = options.queueLimit ?? 65_536;
  }

  /** Queues an event. Returns at once, whatever the disk does; false when the event was dropped and counted. */
  append(event: VigilEvent): boolean {
    const limit = isExpendable(event) ? this.#queueLimit : this.#queueLimit * 2;
    if (this.#isClosed || this.#queue.length >= limit) {
      this.#losses.count(event, this.#error === undefined ? "queue_full" : "store_failed");
      return false;
    }
    this.#queue.push(event);
    this.#schedule(GROUP_DELAY_MS);
    return true;
  }

  /** Queues an event and resolves once its group has been committed: true, or false when it was dropped. */
  appended(event: VigilEvent): Promise<boolean> {
    if (!this.append(event)) return Promise.resolve(false);
    return new Promise((resolve) => this.#waiting.set(event.id, () => resolve(true)));
  }

  status(): EventStoreStatus {
    const queued = this.#queue.length + this.#inFlight.length;
    const state = this.#isClosed ? "closed" : this.#error === undefined ? "ok" : "failing";
    return {
      state,
      ...(this.#error !== undefined && { error: this.#error }),
      queued,
      committed: this.#committed,
      lost: this.#losses.total,
    };
  }

  /** Commits what is queued, for at most `deadlineMs`, and ends the worker. What is still queued then is lost; the number is returned. */
  async close(deadlineMs: number = 5_000): Promise<number> {
    if (this.#isClosed) return 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#closing = resolve;
    const deadline = setTimeout(resolve, deadlineMs);
    this.#schedule(0);
    await promise;
    clearTimeout(deadline);
    clearTimeout(this.#timer);
    this.#isClosed = true;
    await this.#endWorker();
    return this.#queue.length + this.#inFlight.length;
  }

  async #endWorker(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    this.#worker = undefined;
    worker.ref();
    const exited = once(worker, "exit");
    worker.postMessage({ kind: "close" } satisfies WriterRequest);
    const giveUp = setTimeout(() => void worker.terminate(), 1_000);
    await exited;
    clearTimeout(giveUp);
  }

  #schedule(delayMs: number): void {
    if (this.#timer !== undefined || this.#inFlight.length > 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#send();
    }, delayMs);
  }

  #send(): void {
    if (this.#inFlight.length === 0) {
      const gap = this.#losses.take();
      if (gap !== undefined) this.#queue.push(this.#options.producer.gap(gap));
      this.#inFlight = this.#queue.splice(0, MAX_BATCH);
    }
    if (this.#inFlight.length === 0) {
      this.#closing?.();
      return;
    }
    this.#worker ??= this.#startWorker();
    this.#worker.postMessage({ kind: "append", events: this.#inFlight, isSynced: this.#inFlight.some(needsSync) } satisfies WriterRequest);
  }

  #startWorker(): Worker {
    const { directory, retention = DEFAULT_RETENTION } = this.#options;
    const workerData: WriterOptions = { directory, retention };
    // The same file is .ts in a checkout and .js in the package.
    const worker = new Worker(new URL(`./writer-worker${extname(import.meta.url)}`, import.meta.url), { workerData });
    worker.unref();
    worker.on("message", (answer: WriterAnswer) => this.#answered(answer));
    worker.on("error", (error) => this.#workerDied(worker, error.message));
    worker.on("exit", (code) => this.#workerDied(worker, `the writer thread ended with code ${code}`));
    return worker;
  }

  #answered(answer: WriterAnswer): void {
    switch (answer.kind) {
      case "committed": {
        for (const event of this.#inFlight) {
          this.#waiting.get(event.id)?.();
          this.#waiting.delete(event.id);
        }
        this.#committed += answer.count;
        this.#inFlight = [];
        this.#setError(undefined);
        this.#retryMs = RETRY_MIN_MS;
        this.#send();
        return;
      }
      case "failed":
        this.#retry(answer.message);
        return;
      case "closed":
        return;
      default:
        answer satisfies never;
    }
  }

  #setError(error: string | undefined): void {
    const isNews = (error === undefined) !== (this.#error === undefined);
    this.#error = error;
    if (isNews) this.#options.onWriting?.(error);
  }

  #workerDied(worker: Worker, why: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#retry(why);
  }

  /** The batch stays in flight and is sent again: the files ignore events that they have. */
  #retry(why: string): void {
    this.#setError(why);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#send();
    }, this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
  }
}
