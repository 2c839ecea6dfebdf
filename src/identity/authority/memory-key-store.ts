/** Keys that end with the process: for tests, and for authorities whose every start is a new trust domain. */
import type { KeyType } from "../../resource/trust-domain.ts";
import { generateKey, type KeyStore, type LoadedKey, localKey, type SigningKey } from "./key-store.ts";

export class MemoryKeyStore implements KeyStore {
  readonly description = "memory";
  readonly #keys = new Map<string, SigningKey>();

  async create(name: string, keyType: KeyType): Promise<SigningKey> {
    if (this.#keys.has(name)) throw new RangeError(`the key \`${name}\` exists`);
    const key = localKey(name, keyType, await generateKey(keyType));
    this.#keys.set(name, key);
    return key;
  }

  async load(name: string): Promise<LoadedKey> {
    const key = this.#keys.get(name);
    return key === undefined ? { kind: "absent" } : { kind: "key", key };
  }

  async list(): Promise<readonly string[]> {
    return [...this.#keys.keys()];
  }

  async delete(name: string): Promise<void> {
    this.#keys.delete(name);
  }
}
