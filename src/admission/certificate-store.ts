/**
 * The webhook's own certificates: an authority that lives as long as its webhook configurations, and a serving certificate that is
 * renewed at half of its life. Each is one file of key and certificate, so that no crash can part them.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, X509Certificate } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { writeFileAtomic } from "../lib/atomic-write.ts";
import { type CertificateProfile, encodeCommonName, issueCertificate, localIssuer, type SubjectName } from "../lib/certificate.ts";
import { messageOf, VigilError } from "../lib/error.ts";
import { encodePem, parsePem } from "../lib/pem.ts";
import type { CertificateSource, ServingCertificate } from "./certificate-source.ts";

export type CertificateErrorCode = "ADMISSION_CERTIFICATE";

const DAY_MS = 24 * 60 * 60 * 1000;
const AUTHORITY_LIFETIME_MS = 3650 * DAY_MS;
const SERVING_LIFETIME_MS = 30 * DAY_MS;
/** Certificates begin a little in the past: clocks differ. */
const BACKDATE_MS = 5 * 60 * 1000;
const CHECK_INTERVAL_MS = 60 * 60 * 1000;
const RETRY_INTERVAL_MS = 60 * 1000;
const SERIAL_BYTES = 16;
const PUBLIC_MODE = 0o644;

export interface CertificateStoreOptions {
  /** Made with mode 0700 when it does not exist. */
  readonly directory: string;
  /** Every name and address by which clients call. A change of them renews. */
  readonly names: readonly SubjectName[];
  readonly nowMs: () => number;
  readonly servingLifetimeMs?: number;
}

/** A key with its certificate. */
interface Pair {
  readonly key: KeyObject;
  readonly certificate: X509Certificate;
}

/** The file that clients trust: for `curl --cacert`, and the `caBundle` of the webhook configurations. */
export const CA_BUNDLE_FILE = "ca.crt";
const AUTHORITY_FILE = "authority.pem";
const SERVING_FILE = "serving.pem";

export class CertificateStore implements CertificateSource {
  readonly #options: CertificateStoreOptions;
  readonly #authority: Pair;
  readonly #listeners = new Set<(certificate: ServingCertificate) => void>();
  #serving: Pair;
  #current: ServingCertificate;

  private constructor(options: CertificateStoreOptions, authority: Pair, serving: Pair) {
    this.#options = options;
    this.#authority = authority;
    this.#serving = serving;
    this.#current = servingCertificate(serving, authority);
  }

  /**
   * Opens the store, making what is missing, expired or for other names. Rejects with `ADMISSION_CERTIFICATE` when the directory cannot be
   * used or the authority's file is damaged: a new authority would silently invalidate every webhook configuration. Only one that is about
   * to expire is replaced; `caBundlePem` is then another.
   */
  static async open(options: CertificateStoreOptions): Promise<CertificateStore> {
    const { directory, nowMs } = options;
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const known = await readPair(join(directory, AUTHORITY_FILE));
      const authority = known !== undefined && outlives(known, options) ? known : await makeAuthority(directory, nowMs());
      const kept = await readPair(join(directory, SERVING_FILE)).catch(() => undefined);
      const serving = kept !== undefined && serves(kept, authority, options) ? kept : await makeServing(authority, options);
      await writeFileAtomic(join(directory, CA_BUNDLE_FILE), authority.certificate.toString(), PUBLIC_MODE);
      return new CertificateStore(options, authority, serving);
    } catch (thrown) {
      throw new VigilError<CertificateErrorCode>(
        "ADMISSION_CERTIFICATE",
        `cannot use the certificates in \`${directory}\`: ${messageOf(thrown)}`,
        {
          hint: `remove \`${AUTHORITY_FILE}\` to make a new authority, then apply \`vigil deploy webhook\` again`,
          cause: thrown,
        },
      );
    }
  }

  current(): ServingCertificate {
    return this.#current;
  }

  onChange(listener: (certificate: ServingCertificate) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Renews the serving certificate when half of its life is over, and tells the listeners; true when it did. */
  async renewIfDue(): Promise<boolean> {
    if (!isDue(this.#serving.certificate, this.#options.nowMs())) return false;
    this.#serving = await makeServing(this.#authority, this.#options);
    this.#current = servingCertificate(this.#serving, this.#authority);
    for (const listener of this.#listeners) listener(this.#current);
    return true;
  }

  /** Renews whenever it is due, until `signal` aborts. A failure is told to `onFailure` and tried again; the current certificate stays. */
  async run(signal: AbortSignal, onFailure: (thrown: unknown) => void): Promise<void> {
    while (!signal.aborted) {
      let pauseMs = CHECK_INTERVAL_MS;
      try {
        await this.renewIfDue();
      } catch (thrown) {
        onFailure(thrown);
        pauseMs = RETRY_INTERVAL_MS;
      }
      // Rejects only because the signal aborted, which the loop sees.
      await setTimeout(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }
}

const servingCertificate = ({ key, certificate }: Pair, authority: Pair): ServingCertificate => ({
  keyPem: encodeKey(key),
  chainPem: certificate.toString(),
  caBundlePem: authority.certificate.toString(),
  expiresAtMs: certificate.validToDate.getTime(),
});

/** Half of the life is over, or it has not begun: the clock was set back. */
function isDue({ validFromDate, validToDate }: X509Certificate, nowMs: number): boolean {
  const issuedAtMs = validFromDate.getTime() + BACKDATE_MS;
  return nowMs >= (issuedAtMs + validToDate.getTime()) / 2 || nowMs < validFromDate.getTime();
}

/** Whether the authority is still there when a certificate that it issues now expires. */
const outlives = ({ certificate }: Pair, { nowMs, servingLifetimeMs = SERVING_LIFETIME_MS }: CertificateStoreOptions): boolean =>
  certificate.validToDate.getTime() > nowMs() + servingLifetimeMs;

function serves({ certificate }: Pair, authority: Pair, { names, nowMs }: CertificateStoreOptions): boolean {
  const isNamed = ({ kind, value }: SubjectName): boolean =>
    (kind === "ip" ? certificate.checkIP(value) : certificate.checkHost(value, { subject: "never" })) !== undefined;
  return !isDue(certificate, nowMs()) && certificate.verify(authority.certificate.publicKey) && names.every(isNamed);
}

async function makeAuthority(directory: string, nowMs: number): Promise<Pair> {
  // The name differs from one authority to the next, so that a client with both can tell them apart.
  const commonName = `vigil admission ${randomBytes(4).toString("hex")}`;
  const pair = issuePair({ kind: "authority", pathLength: 0 }, commonName, nowMs, AUTHORITY_LIFETIME_MS);
  await writePair(join(directory, AUTHORITY_FILE), pair);
  return pair;
}

async function makeServing(
  authority: Pair,
  { directory, names, nowMs, servingLifetimeMs = SERVING_LIFETIME_MS }: CertificateStoreOptions,
): Promise<Pair> {
  const pair = issuePair({ kind: "leaf", names, usages: ["serverAuth"] }, "", nowMs(), servingLifetimeMs, authority);
  await writePair(join(directory, SERVING_FILE), pair);
  return pair;
}

/** A new key and its certificate, signed by `authority` or by itself. */
function issuePair(profile: CertificateProfile, commonName: string, nowMs: number, lifetimeMs: number, authority?: Pair): Pair {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKeyInfo = publicKey.export({ type: "spki", format: "der" });
  const subject = encodeCommonName(commonName);
  const issuer =
    authority === undefined
      ? localIssuer(subject, publicKeyInfo, privateKey)
      : localIssuer(
          encodeCommonName(/^CN=(.*)$/m.exec(authority.certificate.subject)?.[1] ?? ""),
          authority.certificate.publicKey.export({ type: "spki", format: "der" }),
          authority.key,
        );
  const times = { notBeforeMs: nowMs - BACKDATE_MS, notAfterMs: nowMs + lifetimeMs };
  const der = issueCertificate({ profile, subject, publicKeyInfo, serial: randomBytes(SERIAL_BYTES), ...times, issuer });
  return { key: privateKey, certificate: new X509Certificate(der) };
}

async function writePair(path: string, { key, certificate }: Pair): Promise<void> {
  await writeFileAtomic(path, encodeKey(key) + certificate.toString());
}

const encodeKey = (key: KeyObject): string => encodePem({ label: "PRIVATE KEY", der: key.export({ type: "pkcs8", format: "der" }) });

/** The pair of a file, or undefined when there is no file. Throws on what is not a key followed by its certificate. */
async function readPair(path: string): Promise<Pair | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return undefined;
    throw thrown;
  }
  const blocks = parsePem(text);
  if (!blocks.ok) throw blocks.error;
  const [key, certificate] = blocks.value;
  if (key?.label !== "PRIVATE KEY" || certificate?.label !== "CERTIFICATE")
    throw new Error(`expected a key and a certificate in \`${path}\``);
  const pair = {
    key: createPrivateKey({ key: Buffer.from(key.der), format: "der", type: "pkcs8" }),
    certificate: new X509Certificate(certificate.der),
  };
  if (!pair.certificate.checkPrivateKey(pair.key)) throw new Error(`the key in \`${path}\` is not that of its certificate`);
  return pair;
}
