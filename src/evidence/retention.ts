/** How long events are kept: whole day files go, the oldest first. */
import { readdirSync, rmSync, statSync } from "node:fs";
import { dayFilePath, dayOfFile } from "./day-file.ts";

export interface Retention {
  /** Days before today that are kept. */
  readonly days: number;
  /** Bytes of all files together; the newest day is always kept. */
  readonly maxBytes: number;
}

export const DEFAULT_RETENTION: Retention = { days: 30, maxBytes: 4 * 2 ** 30 };

const DAY_MS = 86_400_000;

/** Deletes the day files that are past their time or over the size, and returns their days. */
export function removeExpired(directory: string, retention: Retention, nowMs: number): readonly string[] {
  const oldestKept = new Date(nowMs - retention.days * DAY_MS).toISOString().slice(0, 10);
  const newestFirst = storedDays(directory).reverse();
  const removed: string[] = [];
  let bytes = 0;
  for (const [index, day] of newestFirst.entries()) {
    const path = dayFilePath(directory, day);
    bytes += statSync(path).size;
    if (index === 0 || (day >= oldestKept && bytes <= retention.maxBytes)) continue;
    for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
    removed.push(day);
  }
  return removed;
}

/** The days that have a file, oldest first; empty when the directory does not exist. */
export function storedDays(directory: string): string[] {
  try {
    return readdirSync(directory)
      .map(dayOfFile)
      .filter((day) => day !== undefined)
      .sort();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
