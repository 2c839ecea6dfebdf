/** Keys as files of mode 0600 in a directory of mode 0700, each written whole or not at all. */
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory, writeFileAtomic } from "../../lib/atomic-write.ts";
import { messageOf } from "../../lib/error.ts";
import { encodePem, parsePem } from "../../lib/pem.ts";
import type { KeyType } from "../../resource/trust-domain.ts";
import { authorityError } from "./authority-error.ts";
import { generateKey, type KeyStore, type LoadedKey, localKey, readLocalKey, type SigningKey } from "./key-store.ts";

const SUFFIX = ".pem";
const NAME = /^[a-z0-9][a-z0-9-]{0,127}$/;
const MAX_KEY_BYTES = 64 * 1024;

export class DiskKeyStore implements KeyStore {
  readonly description: string;
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.description = `disk (${directory})`;
  }

  /**
   * The store of a directory, which is made when it does not exist. Rejects with `AUTHORITY_KEY_UNREADABLE` when it cannot be used, or
   * when others may look into it.
   */
  static async open(directory: string): Promise<DiskKeyStore> {
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const { mode, uid } = await stat(directory);
      if ((mode & 0o077) !== 0 || (process.getuid !== undefined && uid !== process.getuid() && process.getuid() !== 0))
        throw new Error("it belongs to or is open to others");
    } catch (thrown) {
      throw authorityError("AUTHORITY_KEY_UNREADABLE", `cannot keep keys in \`${directory}\`: ${messageOf(thrown)}`, {
        hint: "make it a directory of the user who runs Vigil, with mode 0700",
        cause: thrown,
      });
    }
    const store = new DiskKeyStore(directory);
    await store.#removeUnfinished();
    return store;
  }

  /** What a write left that was cut short. */
  async #removeUnfinished(): Promise<void> {
    for (const file of await readdir(this.#directory)) if (file.endsWith(".tmp")) await rm(join(this.#directory, file), { force: true });
  }

  async create(name: string, keyType: KeyType): Promise<SigningKey> {
    const path = this.#pathOf(name);
    const privateKey = await generateKey(keyType);
    const der = privateKey.export({ type: "pkcs8", format: "der" });
    try {
      await writeFileAtomic(path, encodePem({ label: "PRIVATE KEY", der }));
    } catch (thrown) {
      throw authorityError("AUTHORITY_STATE_UNWRITABLE", `cannot write a key to \`${this.#directory}\`: ${messageOf(thrown)}`, {
        hint: "free the disk, or its permissions; until then the present keys go on",
        cause: thrown,
      });
    } finally {
      der.fill(0);
    }
    return localKey(name, keyType, privateKey);
  }

  async load(name: string): Promise<LoadedKey> {
    const path = this.#pathOf(name);
    let bytes: Buffer;
    try {
      if ((await stat(path)).size > MAX_KEY_BYTES) return { kind: "damaged", reason: "the file is too large for a key" };
      bytes = await readFile(path);
    } catch (thrown) {
      if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return { kind: "absent" };
      throw authorityError("AUTHORITY_KEY_UNREADABLE", `cannot read the key \`${path}\`: ${messageOf(thrown)}`, {
        hint: "check the owner of the file and its permissions",
        cause: thrown,
      });
    }
    const blocks = parsePem(bytes.toString("latin1"));
    bytes.fill(0);
    const [block, more] = blocks.ok ? blocks.value : [];
    if (block?.label !== "PRIVATE KEY" || more !== undefined) return { kind: "damaged", reason: "the file is not one private key in PEM" };
    const key = readLocalKey(name, block.der);
    return key === undefined ? { kind: "damaged", reason: "the file holds no key that an authority has" } : { kind: "key", key };
  }

  async list(): Promise<readonly string[]> {
    const names = (await readdir(this.#directory)).filter((file) => file.endsWith(SUFFIX)).map((file) => file.slice(0, -SUFFIX.length));
    return names.filter((name) => NAME.test(name));
  }

  async delete(name: string): Promise<void> {
    await rm(this.#pathOf(name), { force: true });
    await syncDirectory(this.#directory);
  }

  #pathOf(name: string): string {
    if (!NAME.test(name)) throw new RangeError(`expected the name of a key, got \`${name}\``);
    return join(this.#directory, name + SUFFIX);
  }
}
