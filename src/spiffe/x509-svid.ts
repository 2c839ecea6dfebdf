/** X.509-SVIDs: one's own, with the private key, and those of peers, verified against the bundle of their own trust domain. */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { parsePem } from "../lib/pem.ts";
import { ok, type Result } from "../lib/result.ts";
import type { BundleSource } from "./bundle-source.ts";
import { MAX_CHAIN_LENGTH, validatePath } from "./path-validation.ts";
import { refuse, type SpiffeError, shown } from "./spiffe-error.ts";
import { type SpiffeId, trustDomainOf } from "./spiffe-id.ts";
import { isSame, parseEach, parseX509Certificates, type X509Certificate } from "./x509-certificate.ts";
import { checkChain, checkLeaf } from "./x509-rules.ts";

/** An identity that this process may use: chain and key belong together. */
export interface X509Svid {
  readonly id: SpiffeId;
  /** Leaf first; the authority that the peer trusts is left out. */
  readonly certificates: readonly [X509Certificate, ...X509Certificate[]];
  readonly privateKey: KeyObject;
  /** What the operator says that the identity is for; empty when nothing. */
  readonly hint: string;
}

/** A peer's identity, proved by a path to an authority of its trust domain. */
export interface VerifiedX509Svid {
  readonly id: SpiffeId;
  /** Leaf first, authority last. */
  readonly path: readonly X509Certificate[];
  /** The first moment at which a certificate of the path is no longer valid, in ms since the epoch. */
  readonly validUntilMs: number;
}

/**
 * The SVID of a chain (concatenated DER, leaf first) and a private key (PKCS#8, DER), as the Workload API sends them.
 * Checked are the rules on each certificate and that the key is the leaf's; not checked are signatures and times.
 */
export function parseX509Svid(chain: Uint8Array, privateKey: Uint8Array, hint = ""): Result<X509Svid, SpiffeError> {
  const certificates = parseX509Certificates(chain, MAX_CHAIN_LENGTH);
  return certificates.ok ? svidOf(certificates.value, privateKey, hint) : certificates;
}

/** The SVID of PEM text with certificates, leaf first, and one private key; both may be in one text: `parseX509SvidPem(text, text)`. */
export function parseX509SvidPem(certificatesPem: string, privateKeyPem: string): Result<X509Svid, SpiffeError> {
  const certificates = blocksOf(certificatesPem, "CERTIFICATE");
  if (!certificates.ok) return certificates;
  const keys = blocksOf(privateKeyPem, "PRIVATE KEY");
  if (!keys.ok) return keys;
  const [key] = keys.value;
  if (key === undefined || keys.value.length > 1) return refuse("x509-private-key", `expected one private key, got ${keys.value.length}`);
  if (certificates.value.length > MAX_CHAIN_LENGTH)
    return refuse("x509-chain-limit", `expected at most ${MAX_CHAIN_LENGTH} certificates, got ${certificates.value.length}`);
  const chain = parseEach(certificates.value);
  return chain.ok ? svidOf(chain.value, key, "") : chain;
}

/** DER of the blocks with a label. */
export function blocksOf(pem: string, label: string): Result<readonly Uint8Array[], SpiffeError> {
  const blocks = parsePem(pem);
  if (!blocks.ok) return refuse("x509-encoding", blocks.error.message, { cause: blocks.error });
  return ok(blocks.value.filter((block) => block.label === label).map(({ der }) => der));
}

function svidOf(chain: readonly X509Certificate[], keyInfo: Uint8Array, hint: string): Result<X509Svid, SpiffeError> {
  const id = checkChain(chain);
  if (!id.ok) return id;
  const [leaf, ...rest] = chain;
  if (leaf === undefined) return refuse("x509-chain-limit", "expected at least one certificate");
  const privateKey = readPrivateKey(keyInfo);
  const publicKeyInfo = privateKey && createPublicKey(privateKey).export({ type: "spki", format: "der" });
  if (privateKey === undefined || publicKeyInfo === undefined) return refuse("x509-private-key", "the private key is not PKCS#8");
  if (!isSame(publicKeyInfo, leaf.publicKeyInfo)) return refuse("x509-private-key", "the private key is not that of the leaf");
  return ok({ id: id.value, certificates: [leaf, ...rest], privateKey, hint });
}

function readPrivateKey(keyInfo: Uint8Array): KeyObject | undefined {
  try {
    return createPrivateKey({ key: Buffer.from(keyInfo), format: "der", type: "pkcs8" });
  } catch {
    // What OpenSSL says about a key that it cannot read helps nobody and may quote it.
    return undefined;
  }
}

/**
 * The identity that a presented chain (DER per certificate, leaf first) proves at `nowMs`. UNTRUSTED. Its trust domain decides which bundle
 * is asked: an authority of another trust domain proves nothing. Not checked: that the peer holds the private key (TLS does), and
 * whether it may do what it wants.
 */
export function verifyX509Svid(
  chain: readonly Uint8Array[],
  bundles: BundleSource,
  options: { readonly nowMs: number },
): Result<VerifiedX509Svid, SpiffeError> {
  if (chain.length > MAX_CHAIN_LENGTH)
    return refuse("x509-chain-limit", `expected at most ${MAX_CHAIN_LENGTH} certificates, got ${chain.length}`);
  const certificates = parseEach(chain);
  if (!certificates.ok) return certificates;
  const [leaf, ...intermediates] = certificates.value;
  if (leaf === undefined) return refuse("x509-chain-limit", "expected a certificate, got none");
  const id = checkLeaf(leaf);
  if (!id.ok) return id;
  const domain = trustDomainOf(id.value);
  const authorities = bundles.bundleOf(domain)?.x509Authorities ?? [];
  if (authorities.length === 0)
    return refuse("x509-trust-domain", `no authority for X.509 is known in the trust domain ${shown(domain)}`, {
      hint: "federate with the trust domain, or check that its bundle is up to date",
    });
  const path = validatePath(leaf, { authorities, intermediates, nowMs: options.nowMs });
  if (!path.ok) return path;
  return ok({ id: id.value, path: path.value, validUntilMs: Math.min(...path.value.map(({ notAfterMs }) => notAfterMs)) });
}
