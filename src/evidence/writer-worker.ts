/**
 * The worker thread that owns the files. It gets batches, commits each as a group, and answers with what became of it.
 * A batch that fails is not dropped here: the store keeps it and sends it again.
 */
import { mkdirSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import type { VigilEvent } from "../event/event.ts";
import { dayOf } from "../event/timestamp.ts";
import { messageOf } from "../lib/error.ts";
import { DayFile } from "./day-file.ts";
import { type Retention, removeExpired } from "./retention.ts";

export interface WriterOptions {
  readonly directory: string;
  readonly retention: Retention;
}

export type WriterRequest =
  | { readonly kind: "append"; readonly events: readonly VigilEvent[]; readonly isSynced: boolean }
  | { readonly kind: "close" };
export type WriterAnswer =
  | { readonly kind: "committed"; readonly count: number }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "closed" };

// Two files may be open: around midnight events of both days arrive.
const MAX_OPEN_FILES = 2;

class Writer {
  readonly #options: WriterOptions;
  readonly #files = new Map<string, DayFile>();

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  append(events: readonly VigilEvent[], isSynced: boolean): void {
    const byDay = Map.groupBy(events, (event) => dayOf(event.timeNs));
    for (const [day, ofDay] of byDay) this.#file(day).append(ofDay, isSynced);
  }

  #file(day: string): DayFile {
    const open = this.#files.get(day);
    if (open !== undefined) return open;
    const { directory, retention } = this.#options;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const [oldest, file] of this.#files) {
      if (this.#files.size < MAX_OPEN_FILES) break;
      file.close();
      this.#files.delete(oldest);
    }
    removeExpired(directory, retention, Date.now());
    const file = DayFile.open(directory, day, Date.now());
    this.#files.set(day, file);
    return file;
  }

  close(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }
}

function serve(port: NonNullable<typeof parentPort>, writer: Writer): void {
  const answer = (message: WriterAnswer): void => port.postMessage(message);
  port.on("message", (request: WriterRequest) => {
    if (request.kind === "close") {
      writer.close();
      answer({ kind: "closed" });
      port.close();
      return;
    }
    try {
      writer.append(request.events, request.isSynced);
      answer({ kind: "committed", count: request.events.length });
    } catch (error) {
      // A file may have been left in a state that only a new connection mends.
      writer.close();
      answer({ kind: "failed", message: messageOf(error) });
    }
  });
}

if (parentPort !== null) serve(parentPort, new Writer(workerData as WriterOptions));
