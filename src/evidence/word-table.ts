/** Dictionary encoding: texts that repeat are stored once per file and referred to by number. */
import type { DatabaseSync, StatementSync } from "node:sqlite";

const MAX_CACHED = 50_000;

export class WordTable {
  readonly #insert: StatementSync;
  readonly #select: StatementSync;
  readonly #ids = new Map<string, number>();

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare("INSERT INTO word(text) VALUES (?) ON CONFLICT DO NOTHING");
    this.#select = database.prepare("SELECT id FROM word WHERE text = ?");
  }

  /** The number of a text, given out on first use. Call inside a transaction; after a rollback call `forget`. */
  idOf(text: string): number {
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    this.#insert.run(text);
    const id = Number(this.#select.get(text)?.["id"]);
    if (this.#ids.size >= MAX_CACHED) this.#ids.clear();
    this.#ids.set(text, id);
    return id;
  }

  /** Drops the cache: numbers given out in a transaction that was rolled back are not in the file. */
  forget(): void {
    this.#ids.clear();
  }
}
