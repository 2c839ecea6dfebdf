/** An identity in files, as `vigil identity watch`, spiffe-helper, or a CSI driver write them: read again whenever they change. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../lib/error.ts";
import { MAX_PEM_BYTES } from "../lib/pem.ts";
import { parseX509BundlePem, type TrustBundle } from "../spiffe/bundle.ts";
import type { BundleSource, ChangeNotice, X509Source } from "../spiffe/bundle-source.ts";
import { parseTrustDomain, type TrustDomain, trustDomainOf } from "../spiffe/spiffe-id.ts";
import { parseX509SvidPem, type X509Svid } from "../spiffe/x509-svid.ts";
import { type IdentityState, IdentityStore } from "./identity-store.ts";
import { ServiceError } from "./service-error.ts";

export interface IdentityFilePaths {
  /** PEM, leaf first. */
  readonly svid: string;
  /** PEM, PKCS#8. */
  readonly key: string;
  /** PEM: the authorities of the SVID's own trust domain. */
  readonly bundle: string;
  /** A directory with the authorities of other trust domains, each in `TRUST-DOMAIN.pem`. It need not exist. */
  readonly federated?: string;
}

/** The paths in a directory that `vigil identity watch` writes. */
export const identityPathsIn = (directory: string): IdentityFilePaths & { readonly federated: string } => ({
  svid: join(directory, "svid.pem"),
  key: join(directory, "svid_key.pem"),
  bundle: join(directory, "bundle.pem"),
  federated: join(directory, "federated"),
});

/** Notification by the kernel misses the swap of a symbolic link above the file. */
const POLL_MS = 1_000;
const MAX_FEDERATED = 1_024;

export interface IdentityFilesOptions {
  /** Files that changed and cannot be used: what was read before stays in use. Must not throw. */
  readonly onError?: (error: ServiceError) => void;
}

export class IdentityFiles implements X509Source, BundleSource, ChangeNotice {
  readonly #paths: IdentityFilePaths;
  readonly #onError: (error: ServiceError) => void;
  readonly #store = new IdentityStore();
  #version = "";
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(paths: IdentityFilePaths, { onError = () => {} }: IdentityFilesOptions = {}) {
    this.#paths = paths;
    this.#onError = onError;
  }

  /** Reads the files for the first time. Throws a ServiceError with `SERVICE_IDENTITY_FILES` when they are no identity. */
  async open(): Promise<this> {
    await this.#read();
    this.#schedule();
    return this;
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      void this.#read()
        .catch((thrown: unknown) => this.#onError(thrown instanceof ServiceError ? thrown : unreadable(thrown)))
        .then(() => this.#schedule());
    }, POLL_MS).unref();
  }

  async #read(): Promise<void> {
    const version = await versionOf(this.#paths);
    if (version === this.#version) return;
    // One that is wrong is complained about once.
    this.#version = version;
    const state = await readIdentity(this.#paths);
    if (!this.#isClosed) this.#store.set(state);
  }

  x509Svid(): X509Svid | undefined {
    return this.#store.x509Svid();
  }

  bundleOf(domain: TrustDomain): TrustBundle | undefined {
    return this.#store.bundleOf(domain);
  }

  onChange(listener: () => void): () => void {
    return this.#store.onChange(listener);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }
}

/** The identity in these files, read again as they change. `close` it at the end. */
export const openIdentityFiles = (paths: IdentityFilePaths, options: IdentityFilesOptions = {}): Promise<IdentityFiles> =>
  new IdentityFiles(paths, options).open();

/** Changes when one of the files does. */
async function versionOf({ svid, key, bundle, federated }: IdentityFilePaths): Promise<string> {
  const files = [svid, key, bundle, ...(federated === undefined ? [] : await federatedFiles(federated))];
  const facts = await Promise.all(
    files.map(async (file) => {
      try {
        const { ino, mtimeMs, size } = await stat(file);
        return `${file} ${ino} ${mtimeMs} ${size}`;
      } catch (thrown) {
        throw unreadable(thrown);
      }
    }),
  );
  return facts.join("\n");
}

async function readIdentity({ svid: svidPath, key, bundle, federated }: IdentityFilePaths): Promise<IdentityState> {
  const [svidPem, keyPem, bundlePem] = [await readPem(svidPath), await readPem(key), await readPem(bundle)];
  const svid = parseX509SvidPem(svidPem, keyPem);
  if (!svid.ok) throw unusable(svidPath, svid.error);
  const own = parseX509BundlePem(bundlePem, trustDomainOf(svid.value.id));
  if (!own.ok) throw unusable(bundle, own.error);
  const bundles = new Map<TrustDomain, TrustBundle>([[own.value.trustDomain, own.value]]);
  for (const file of federated === undefined ? [] : await federatedFiles(federated)) {
    const domain = parseTrustDomain(file.slice(file.lastIndexOf("/") + 1, -".pem".length));
    if (!domain.ok) throw unusable(file, domain.error);
    const other = parseX509BundlePem(await readPem(file), domain.value);
    if (!other.ok) throw unusable(file, other.error);
    if (!bundles.has(domain.value)) bundles.set(domain.value, other.value);
  }
  return { svid: svid.value, bundles };
}

async function federatedFiles(directory: string): Promise<readonly string[]> {
  try {
    const names = await readdir(directory);
    return names
      .filter((name) => name.endsWith(".pem"))
      .sort()
      .slice(0, MAX_FEDERATED)
      .map((name) => `${directory}/${name}`);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return [];
    throw unreadable(thrown);
  }
}

async function readPem(path: string): Promise<string> {
  try {
    if ((await stat(path)).size > MAX_PEM_BYTES) throw new Error(`\`${path}\` is larger than ${MAX_PEM_BYTES} bytes`);
    return await readFile(path, "utf8");
  } catch (thrown) {
    throw unreadable(thrown);
  }
}

const unreadable = (thrown: unknown): ServiceError =>
  new ServiceError("SERVICE_IDENTITY_FILES", `the files of an identity cannot be read: ${messageOf(thrown)}`, { cause: thrown });

const unusable = (path: string, error: Error): ServiceError =>
  new ServiceError("SERVICE_IDENTITY_FILES", `\`${path}\` is no use: ${error.message}`, { cause: error });
