/** One day of events in one SQLite file: created, appended to, refused when it is of a newer format. */
import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { VigilEvent } from "../event/event.ts";
import { parseUuid } from "../event/uuid-v7.ts";
import { VigilError } from "../lib/error.ts";
import { rowOf } from "./event-row.ts";
import { WordTable } from "./word-table.ts";

/** Format of the files; a newer one is refused, an older one is opened as it is. */
export const FORMAT_VERSION = 1;

export type EvidenceErrorCode = "EVIDENCE_FORMAT_TOO_NEW";

const SCHEMA = `
CREATE TABLE IF NOT EXISTS word(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS event(
  position INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE, time_ns INTEGER NOT NULL, kind INTEGER NOT NULL, severity INTEGER NOT NULL,
  producer INTEGER NOT NULL, node INTEGER NOT NULL, boot INTEGER NOT NULL, seq INTEGER NOT NULL, tenant INTEGER NOT NULL, subject INTEGER NOT NULL,
  verdict INTEGER, policy INTEGER, action INTEGER, object TEXT, message INTEGER, latency_us REAL,
  detail INTEGER NOT NULL, own TEXT
) STRICT;`;

export const dayFilePath = (directory: string, day: string): string => join(directory, `events-${day}.sqlite`);

/** The day of a file name made by `dayFilePath`, or undefined. */
export const dayOfFile = (name: string): string | undefined => /^events-(\d{4}-\d{2}-\d{2})\.sqlite$/.exec(name)?.[1];

export class DayFile {
  readonly #database: DatabaseSync;
  readonly #words: WordTable;
  readonly #insert: StatementSync;

  /** Opens or creates the file of a day. A file that is not a database is set aside under a new name, never deleted. */
  static open(directory: string, day: string, nowMs: number): DayFile {
    const path = dayFilePath(directory, day);
    try {
      return new DayFile(path);
    } catch (error) {
      if (!existsSync(path) || !isCorruption(error)) throw error;
      renameSync(path, `${path}.damaged-${nowMs}`);
      return new DayFile(path);
    }
  }

  private constructor(path: string) {
    const database = new DatabaseSync(path);
    try {
      database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;");
      const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
      if (version > FORMAT_VERSION)
        throw new VigilError<EvidenceErrorCode>(
          "EVIDENCE_FORMAT_TOO_NEW",
          `event file has format ${version}, this Vigil knows up to ${FORMAT_VERSION}`,
          {
            hint: "run the Vigil that wrote it, or move the file away",
          },
        );
      database.exec(`BEGIN; ${SCHEMA} PRAGMA user_version = ${FORMAT_VERSION}; COMMIT;`);
      this.#database = database;
      this.#words = new WordTable(database);
      this.#insert = database.prepare(
        "INSERT OR IGNORE INTO event(id, time_ns, kind, severity, producer, node, boot, seq, tenant, subject, verdict, policy, action, object, message, latency_us, detail, own) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      );
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Writes a batch in one transaction; when it returns, the batch has been committed. `isSynced` also waits for the disk. */
  append(events: readonly VigilEvent[], isSynced: boolean): void {
    this.#database.exec(`PRAGMA synchronous = ${isSynced ? "FULL" : "NORMAL"}; BEGIN IMMEDIATE`);
    try {
      for (const event of events) this.#write(event);
      this.#database.exec("COMMIT");
    } catch (error) {
      // SQLite rolls back by itself on some failures (a full disk), and then there is no transaction to end.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      this.#words.forget();
      throw error;
    }
  }

  #write(event: VigilEvent): void {
    const word = (text: string | undefined): number | null => (text === undefined ? null : this.#words.idOf(text));
    const row = rowOf(event);
    this.#insert.run(
      parseUuid(event.id) ?? new Uint8Array(16),
      event.timeNs,
      row.kind,
      event.severity,
      word(event.producer),
      word(event.node),
      word(event.bootId),
      event.seq,
      word(event.tenant),
      word(event.subject),
      word(row.verdict),
      word(row.policy),
      word(row.action),
      row.object ?? null,
      word(row.message),
      row.latencyUs ?? null,
      word(row.detail),
      row.own ?? null,
    );
  }

  close(): void {
    this.#database.close();
  }
}

/** SQLITE_CORRUPT (11) and SQLITE_NOTADB (26). */
const isCorruption = (error: unknown): boolean =>
  error instanceof Error && "errcode" in error && (error.errcode === 11 || error.errcode === 26);
