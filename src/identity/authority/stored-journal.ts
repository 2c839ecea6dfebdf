/** The journal in a file, or wherever its storage is. */
import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { writeFileAtomic } from "../../lib/atomic-write.ts";
import { messageOf } from "../../lib/error.ts";
import type { TrustDomain } from "../../spiffe/spiffe-id.ts";
import { authorityError } from "./authority-error.ts";
import { emptyState, type Journal, type JournalState, type JournalStorage } from "./journal.ts";
import { decodeJournal, encodeJournal } from "./journal-encoding.ts";
import type { KeyStore } from "./key-store.ts";

export class StoredJournal implements Journal {
  readonly #storage: JournalStorage;
  #state: JournalState;
  /** The change before; the next one waits for it. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(storage: JournalStorage, state: JournalState) {
    this.#storage = storage;
    this.#state = state;
  }

  /**
   * Opens the journal of a trust domain. An empty one is saved at once, before there is any key: keys without a journal mean that it was
   * lost. Rejects with `AUTHORITY_STATE_DAMAGED`, and with `AUTHORITY_TRUST_DOMAIN` when the journal is another trust domain's.
   */
  static async open(
    storage: JournalStorage,
    trustDomain: TrustDomain,
    keys: Pick<KeyStore, "list" | "description">,
  ): Promise<StoredJournal> {
    const text = await storage.read();
    if (text === undefined) {
      if ((await keys.list()).length > 0)
        throw authorityError("AUTHORITY_STATE_DAMAGED", `the authority's journal is lost, but there are keys: ${keys.description}`, {
          hint: "restore the journal from a backup, or remove the keys to begin a new authority that nobody trusts yet",
        });
      const journal = new StoredJournal(storage, emptyState(trustDomain));
      await journal.#save(journal.#state);
      return journal;
    }
    const state = decodeJournal(text);
    if (state.trustDomain === trustDomain) return new StoredJournal(storage, state);
    throw authorityError(
      "AUTHORITY_TRUST_DOMAIN",
      `the state is that of the trust domain \`${state.trustDomain}\`, not of \`${trustDomain}\``,
      {
        hint: "give each trust domain a state directory of its own, or set `identity.trustDomain` back",
      },
    );
  }

  get state(): JournalState {
    return this.#state;
  }

  update(change: (state: JournalState) => JournalState): Promise<JournalState> {
    const done = this.#last.then(async () => {
      const next = change(this.#state);
      if (next !== this.#state) {
        await this.#save(next);
        this.#state = next;
      }
      return next;
    });
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #save(state: JournalState): Promise<void> {
    try {
      await this.#storage.write(encodeJournal(state));
    } catch (thrown) {
      throw authorityError("AUTHORITY_STATE_UNWRITABLE", `the authority's state cannot be saved: ${messageOf(thrown)}`, {
        hint: "free the disk, or its permissions; until then nothing changes and the present keys go on",
        cause: thrown,
      });
    }
  }
}

/** A file of mode 0600. */
export const fileStorage = (path: string): JournalStorage => ({
  async read() {
    try {
      return await readFile(path);
    } catch (thrown) {
      if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return undefined;
      throw authorityError("AUTHORITY_STATE_DAMAGED", `the authority's journal \`${path}\` cannot be read: ${messageOf(thrown)}`, {
        hint: "check the owner of the file and its permissions",
        cause: thrown,
      });
    }
  },
  async write(text) {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFileAtomic(path, text);
  },
});

/** Kept as long as the object. */
export function memoryStorage(): JournalStorage {
  let kept: Uint8Array | undefined;
  return {
    read: async () => kept,
    write: async (text) => {
      kept = Buffer.from(text);
    },
  };
}
