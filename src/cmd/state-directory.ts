/**
 * The state directory: everything that one installation keeps. It is private to its user, used by one Vigil at a time, and
 * says in which format it is written, so that a newer Vigil can open an older one and an older one refuses a newer.
 */
import { randomUUID } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { writeFileAtomic } from "../lib/atomic-write.ts";
import { messageOf, VigilError } from "../lib/error.ts";

export type StateErrorCode = "STATE_UNUSABLE" | "STATE_FOREIGN" | "STATE_INSECURE" | "STATE_TOO_NEW" | "STATE_IN_USE";

/** Turns a directory of one format into the next. Must be safe to repeat: it may have been interrupted. */
export interface Migration {
  readonly from: number;
  readonly run: (directory: string) => void | Promise<void>;
}

/** In ascending order, without gaps; the current format is one more than the last. */
const MIGRATIONS: readonly Migration[] = [];
const FIRST_FORMAT = 1;
const PRIVATE_MODE = 0o700;
const DESCRIPTION = "state.json";

export interface StateDirectory {
  /** Absolute. */
  readonly path: string;
  /** Of this installation: made once, kept for ever. */
  readonly installation: string;
  /** Lets another Vigil use the directory. */
  release(): void;
}

/** Opens the directory for this process alone, makes it where there is none, and brings an older format to the current one. Throws a `StateErrorCode`. */
export async function openStateDirectory(directory: string, migrations: readonly Migration[] = MIGRATIONS): Promise<StateDirectory> {
  const path = resolve(directory);
  prepare(path);
  const lock = takeLock(path);
  try {
    const { format, installation } = await readDescription(path);
    const current = FIRST_FORMAT + migrations.length;
    if (format > current) {
      throw new VigilError<StateErrorCode>("STATE_TOO_NEW", `${path} is in format ${format}, this Vigil knows formats up to ${current}`, {
        hint: "run the newer Vigil that wrote it, or name another directory with `--state`",
      });
    }
    for (const migration of migrations.filter(({ from }) => from >= format)) {
      await migration.run(path);
      await writeDescription(path, { format: migration.from + 1, installation });
    }
    return { path, installation, release: () => lock.close() };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** Makes the directory, or makes sure that it is ours and private. */
function prepare(path: string): void {
  try {
    if (!existsSync(path)) makeDirectory(path);
    const { uid, mode } = statSync(path);
    const entries = readdirSync(path);
    if (entries.length > 0 && !entries.includes(DESCRIPTION) && !entries.includes("lock")) {
      throw new VigilError<StateErrorCode>("STATE_FOREIGN", `${path} holds files, but no state of Vigil`, {
        hint: "name an empty directory, or one that does not exist yet, with `--state`",
      });
    }
    if (uid !== process.getuid?.() || (mode & 0o022) !== 0) {
      const fault = uid === process.getuid?.() ? "can be written by other users" : "belongs to another user";
      throw new VigilError<StateErrorCode>("STATE_INSECURE", `${path} ${fault}`, {
        hint: `make it private: chown it to yourself and chmod 700 ${path}`,
      });
    }
    chmodSync(path, PRIVATE_MODE);
  } catch (error) {
    if (error instanceof VigilError) throw error;
    throw new VigilError<StateErrorCode>("STATE_UNUSABLE", `cannot use the state directory ${path}: ${messageOf(error)}`, {
      hint: "name another directory with `--state`",
      cause: error,
    });
  }
}

/** Without `recursive`, which never ends where a file system refuses new directories as if their parent were missing (/proc). */
function makeDirectory(path: string): void {
  if (!existsSync(dirname(path))) makeDirectory(dirname(path));
  mkdirSync(path, { mode: PRIVATE_MODE });
}

/** An open transaction is a lock that the kernel takes back whatever happens to this process; no stale lock can remain. */
function takeLock(path: string): DatabaseSync {
  const holder = join(path, "lock.pid");
  const lock = new DatabaseSync(join(path, "lock"));
  try {
    lock.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    throw new VigilError<StateErrorCode>("STATE_IN_USE", `another Vigil (process ${readHolder(holder)}) uses ${path}`, {
      hint: "stop it first, or name another directory with `--state`",
      cause: error,
    });
  }
  writeFileSync(holder, String(process.pid), { mode: 0o600 });
  return lock;
}

function readHolder(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "unknown"; // It has the lock, and is about to write the file.
  }
}

interface Description {
  readonly format: number;
  readonly installation: string;
}

const writeDescription = (path: string, description: Description): Promise<void> =>
  writeFileAtomic(join(path, DESCRIPTION), `${JSON.stringify(description)}\n`);

async function readDescription(path: string): Promise<Description> {
  let text: string;
  try {
    text = readFileSync(join(path, DESCRIPTION), "utf8");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    const description = { format: FIRST_FORMAT, installation: randomUUID() };
    await writeDescription(path, description);
    return description;
  }
  return parseDescription(text, path);
}

function parseDescription(text: string, path: string): Description {
  const damaged = (cause?: unknown): VigilError<StateErrorCode> =>
    new VigilError("STATE_UNUSABLE", `${join(path, DESCRIPTION)} is damaged`, { hint: "restore it from a backup", cause });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(error);
  }
  if (typeof value !== "object" || value === null || !("format" in value) || !("installation" in value)) throw damaged();
  const { format, installation } = value;
  if (!Number.isSafeInteger(format) || typeof format !== "number" || typeof installation !== "string") throw damaged();
  return { format, installation };
}
