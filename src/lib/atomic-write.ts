/** Files that are either the old content or the new one, whenever the machine stops. The only I/O of this folder. */
import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

const PRIVATE_MODE = 0o600;

/**
 * Replaces the file at `path` by `data`: written beside it under a random name, flushed, renamed, and the directory flushed, so that
 * when the promise resolves the content survives a power failure. Rejects with the file system's error; the old file is then untouched.
 * `mode` is the new file's permission, 0600 unless given; the umask does not widen it.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array, mode: number = PRIVATE_MODE): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (thrown) {
    await rm(temporary, { force: true });
    throw thrown;
  }
  await syncDirectory(dirname(path));
}

/** Flushes the entries of a directory: a rename or a removal in it is then durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
