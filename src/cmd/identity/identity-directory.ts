/**
 * A directory with an identity for programs that read files. Each state is a directory of its own, `..data` a symbolic link to the one of
 * the moment, and the names that programs open lead through it: one rename swaps all files together, as the kubelet does it.
 */
import { randomBytes } from "node:crypto";
import { lstat, mkdir, readdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncDirectory, writeFileAtomic } from "../../lib/atomic-write.ts";
import { VigilError } from "../../lib/error.ts";
import { encodePem } from "../../lib/pem.ts";
import type { TrustBundle } from "../../spiffe/bundle.ts";
import type { X509Svid } from "../../spiffe/x509-svid.ts";

export type DirectoryErrorCode = "IDENTITY_DIRECTORY";

/** What the files say. */
export interface IdentityContent {
  /** Undefined when the identity was withdrawn: its files go then. */
  readonly svid: X509Svid | undefined;
  /** That of the own trust domain first. */
  readonly bundles: readonly TrustBundle[];
  /** Compact tokens by the name of their file. */
  readonly tokens: ReadonlyMap<string, string>;
}

const DATA = "..data";
const GENERATION = /^\.\.vigil-[0-9a-f]{16}$/;
const PUBLIC_MODE = 0o644;
const PRIVATE_MODE = 0o600;

interface File {
  /** Below the directory. */
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/** Files that may be read by all but the key and the tokens. */
function filesOf({ svid, bundles: [own, ...federated], tokens }: IdentityContent): readonly File[] {
  return [
    ...(svid === undefined
      ? []
      : [
          { path: "svid.pem", text: pemOf(svid.certificates), mode: PUBLIC_MODE },
          { path: "svid_key.pem", text: svid.privateKey.export({ type: "pkcs8", format: "pem" }).toString(), mode: PRIVATE_MODE },
        ]),
    ...(own === undefined ? [] : [{ path: "bundle.pem", text: pemOf(own.x509Authorities), mode: PUBLIC_MODE }]),
    ...federated.map(({ trustDomain, x509Authorities }) => ({
      path: `federated/${trustDomain}.pem`,
      text: pemOf(x509Authorities),
      mode: PUBLIC_MODE,
    })),
    ...[...tokens].map(([path, text]) => ({ path, text, mode: PRIVATE_MODE })),
  ];
}

const pemOf = (certificates: readonly { readonly der: Uint8Array }[]): string =>
  certificates.map(({ der }) => encodePem({ label: "CERTIFICATE", der })).join("");

export class IdentityDirectory {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Replaces all files by those of `content`. Rejects with `IDENTITY_DIRECTORY` when a name is taken by something that this did not make,
   * else with the file system's error; the files of before are untouched then.
   */
  async write(content: IdentityContent): Promise<void> {
    await mkdir(this.#path, { recursive: true, mode: 0o755 });
    const files = filesOf(content);
    const names = [...new Set(files.map(({ path }) => path.split("/", 1)[0] ?? path))];
    for (const name of names) await this.#checkName(name);
    const generation = `..vigil-${randomBytes(8).toString("hex")}`;
    await this.#writeGeneration(generation, files);
    await this.#swap(DATA, generation);
    // The links last: none leads nowhere.
    for (const name of names) if ((await this.#linkTarget(name)) === undefined) await this.#swap(name, join(DATA, name));
    await this.#removeOthers(generation, names);
    await syncDirectory(this.#path);
  }

  async #writeGeneration(generation: string, files: readonly File[]): Promise<void> {
    const root = join(this.#path, generation);
    try {
      await mkdir(root, { mode: 0o755 });
      for (const { path, text, mode } of files) {
        await mkdir(dirname(join(root, path)), { recursive: true, mode: 0o755 });
        await writeFileAtomic(join(root, path), text, mode);
      }
    } catch (thrown) {
      await rm(root, { recursive: true, force: true });
      throw thrown;
    }
  }

  /** Makes `name` a link to `target` in one step. */
  async #swap(name: string, target: string): Promise<void> {
    const temporary = join(this.#path, `..link-${randomBytes(8).toString("hex")}`);
    await symlink(target, temporary);
    try {
      await rename(temporary, join(this.#path, name));
    } catch (thrown) {
      await rm(temporary, { force: true });
      throw thrown;
    }
  }

  /** Where a link of ours leads; undefined when there is nothing. */
  async #linkTarget(name: string): Promise<string | undefined> {
    try {
      return await readlink(join(this.#path, name));
    } catch (thrown) {
      if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return undefined;
      throw thrown;
    }
  }

  async #checkName(name: string): Promise<void> {
    const path = join(this.#path, name);
    const status = await lstat(path).catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code === "ENOENT") return undefined;
      throw thrown;
    });
    if (status === undefined || (status.isSymbolicLink() && (await readlink(path)) === join(DATA, name))) return;
    throw new VigilError<DirectoryErrorCode>("IDENTITY_DIRECTORY", `\`${path}\` exists and was not made by vigil`, {
      hint: "name a directory of its own with `--dir`, or remove the file",
    });
  }

  /** Removes the generations of before, those that a crash has left, and links to files that are no more. */
  async #removeOthers(generation: string, names: readonly string[]): Promise<void> {
    for (const name of await readdir(this.#path)) {
      const isOldGeneration = GENERATION.test(name) && name !== generation;
      const isLeftLink = /^\.\.link-[0-9a-f]{16}$/.test(name);
      const isWithdrawn = !name.startsWith("..") && !names.includes(name) && (await this.#isOurLink(name));
      if (isOldGeneration || isLeftLink || isWithdrawn) await rm(join(this.#path, name), { recursive: true, force: true });
    }
  }

  async #isOurLink(name: string): Promise<boolean> {
    const path = join(this.#path, name);
    return (await lstat(path)).isSymbolicLink() && (await readlink(path)) === join(DATA, name);
  }
}
