/** Bundles of other trust domains on the disk: after a start they are trusted before anybody has been asked. */
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../lib/atomic-write.ts";
import { messageOf } from "../../lib/error.ts";
import { encodeJson } from "../../lib/json.ts";
import { jsonOfTrustBundle, MAX_BUNDLE_BYTES, parseTrustBundle, type TrustBundle } from "../../spiffe/bundle.ts";
import { parseTrustDomain, type TrustDomain } from "../../spiffe/spiffe-id.ts";
import { federationError } from "./federation-error.ts";

const SUFFIX = ".json";

export class BundleStore {
  readonly #directory: string;

  /** One file for each trust domain in `directory`, which is made when it is needed. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** All bundles that can be read, and why others cannot. */
  async load(): Promise<{ readonly bundles: readonly TrustBundle[]; readonly problems: readonly string[] }> {
    const bundles: TrustBundle[] = [];
    const problems: string[] = [];
    const files = await readdir(this.#directory).catch(() => []);
    for (const file of files.filter((name) => name.endsWith(SUFFIX))) {
      const path = join(this.#directory, file);
      try {
        const domain = parseTrustDomain(file.slice(0, -SUFFIX.length));
        if (!domain.ok) throw domain.error;
        if ((await stat(path)).size > MAX_BUNDLE_BYTES) throw new Error("it is too large");
        const bundle = parseTrustBundle(await readFile(path), domain.value);
        if (!bundle.ok) throw bundle.error;
        bundles.push(bundle.value);
      } catch (thrown) {
        problems.push(`the stored bundle \`${path}\` cannot be used: ${messageOf(thrown)}`);
      }
    }
    return { bundles, problems };
  }

  /** Rejects with `FEDERATION_STORE`. */
  async save(bundle: TrustBundle): Promise<void> {
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      await writeFileAtomic(join(this.#directory, bundle.trustDomain + SUFFIX), encodeJson(jsonOfTrustBundle(bundle)));
    } catch (thrown) {
      throw federationError("FEDERATION_STORE", `the bundle of \`${bundle.trustDomain}\` cannot be saved: ${messageOf(thrown)}`, {
        cause: thrown,
      });
    }
  }

  async remove(domain: TrustDomain): Promise<void> {
    await rm(join(this.#directory, domain + SUFFIX), { force: true });
  }
}
