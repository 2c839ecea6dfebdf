/** What X509-SVID §2–§5.2 asks of single certificates: of leaves, and of signing certificates. */
import { ok, type Result } from "../lib/result.ts";
import { refuse, SpiffeError, shown } from "./spiffe-error.ts";
import { idOfTrustDomain, parseSpiffeId, parseTrustDomain, pathOf, type SpiffeId } from "./spiffe-id.ts";
import { hasEmptySubject, type X509Certificate } from "./x509-certificate.ts";

/** Bits of KeyUsage (RFC 5280 §4.2.1.3). */
const DIGITAL_SIGNATURE = 0;
const KEY_CERT_SIGN = 5;
const CRL_SIGN = 6;

const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

/** The SPIFFE ID of a certificate that may authenticate, or the first rule that it breaks. Not checked: who signed it, and when it is valid. */
export function checkLeaf(leaf: X509Certificate): Result<SpiffeId, SpiffeError> {
  const usage = leaf.keyUsage;
  if (leaf.isAuthority) return refuse("x509-leaf-ca", "expected a leaf, got a certificate authority");
  if (usage?.isCritical !== true) return refuse("x509-key-usage", "expected critical key usage in the leaf");
  if (usage.bits.includes(KEY_CERT_SIGN) || usage.bits.includes(CRL_SIGN))
    return refuse("x509-leaf-signs", "expected a leaf without keyCertSign and cRLSign in its key usage");
  if (!usage.bits.includes(DIGITAL_SIGNATURE))
    return refuse("x509-leaf-digital-signature", "expected digitalSignature in the key usage of the leaf");
  const extended = leaf.extendedKeyUsage;
  if (extended !== undefined && !(extended.includes(SERVER_AUTH) && extended.includes(CLIENT_AUTH)))
    return refuse("x509-extended-key-usage", "expected both serverAuth and clientAuth in the extended key usage of the leaf");
  const unknown = unknownCritical(leaf);
  if (unknown !== undefined) return { ok: false, error: unknown };
  return idOfLeaf(leaf);
}

function idOfLeaf(leaf: X509Certificate): Result<SpiffeId, SpiffeError> {
  const uris = leaf.names?.uris ?? [];
  const [uri] = uris;
  if (uri === undefined || uris.length > 1) return refuse("x509-one-uri", `expected one URI in the leaf, got ${uris.length}`);
  if (hasEmptySubject(leaf) && leaf.names?.isCritical !== true)
    return refuse("x509-san-critical", "expected critical alternative names, since the subject is empty");
  const id = parseSpiffeId(uri);
  if (id.ok && pathOf(id.value) === "") return refuse("x509-leaf-path", `expected a SPIFFE ID with a path, got ${shown(uri)}`);
  return id;
}

/** The first rule that a signing certificate breaks; undefined when none. Not checked: who signed it, and when it is valid. */
export function authorityProblem(authority: X509Certificate): SpiffeError | undefined {
  const usage = authority.keyUsage;
  if (!authority.isAuthority) return new SpiffeError("x509-authority-ca", "expected a certificate authority above the leaf");
  if (usage?.isCritical !== true) return new SpiffeError("x509-key-usage", "expected critical key usage in the certificate authority");
  if (!usage.bits.includes(KEY_CERT_SIGN))
    return new SpiffeError("x509-authority-key-cert-sign", "expected keyCertSign in the key usage of the certificate authority");
  const withPath = authority.names?.uris.find((uri) => uri.startsWith("spiffe://") && !isIdOfTrustDomain(uri));
  if (withPath !== undefined)
    return new SpiffeError("x509-authority-id", `expected the ID of a trust domain in the certificate authority, got ${shown(withPath)}`);
  return unknownCritical(authority);
}

/**
 * The same for an authority of a bundle. It may come from an older infrastructure, without key usage or with one that is not critical: that
 * it is trusted is the bundle's decision (RFC 5280 §6.1). What it says about itself counts.
 */
export function anchorProblem(anchor: X509Certificate): SpiffeError | undefined {
  const bits = anchor.keyUsage?.bits ?? [KEY_CERT_SIGN];
  return authorityProblem({ ...anchor, keyUsage: { isCritical: true, bits } });
}

/** With or without the one slash that the specification's own example has (SPIFFE_Trust_Domain_and_Bundle, appendix A). */
function isIdOfTrustDomain(uri: string): boolean {
  const domain = parseTrustDomain(uri.slice("spiffe://".length).replace(/\/$/, ""));
  return domain.ok && uri.startsWith(idOfTrustDomain(domain.value));
}

function unknownCritical({ unknownCritical: [oid] }: X509Certificate): SpiffeError | undefined {
  return oid === undefined ? undefined : new SpiffeError("x509-critical-extension", `the critical extension ${oid} is not known`);
}

/** Checks every certificate of a chain, leaf first. */
export function checkChain(chain: readonly X509Certificate[]): Result<SpiffeId, SpiffeError> {
  const [leaf, ...authorities] = chain;
  if (leaf === undefined) return refuse("x509-chain-limit", "expected at least one certificate");
  const id = checkLeaf(leaf);
  if (!id.ok) return id;
  for (const authority of authorities) {
    const problem = authorityProblem(authority);
    if (problem !== undefined) return { ok: false, error: problem };
  }
  return ok(id.value);
}
