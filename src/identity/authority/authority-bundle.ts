/** From the records of authorities to what others are told: the bundle, and the issuer of certificates. */
import { createPublicKey, type KeyObject } from "node:crypto";
import type { CertificateIssuer } from "../../lib/certificate.ts";
import type { TrustBundle } from "../../spiffe/bundle.ts";
import type { TokenKey } from "../../spiffe/token-key.ts";
import { parseX509Certificate, type X509Certificate } from "../../spiffe/x509-certificate.ts";
import { authorityError } from "./authority-error.ts";
import { type AuthorityCertificate, type AuthorityRecord, isPublished } from "./authority-record.ts";
import type { UpstreamTrust } from "./foreign-trust.ts";
import type { JournalState } from "./journal.ts";
import { type SigningKey, tokenAlgorithmOf } from "./key-store.ts";

/**
 * What others trust: roots of certificates and keys of tokens, in the order in which they were made; then what the authority above says, and
 * the keys that those below have published. Nothing of the latter takes the place of a key of ours.
 */
export function authorityBundle(state: JournalState, refreshHintSeconds: number): TrustBundle {
  const { trustDomain, sequence, authorities, upstream } = state;
  const published = authorities.filter(isPublished);
  const roots = new Map<string, X509Certificate>();
  for (const { certificate } of published)
    for (const root of certificate === undefined ? [] : rootsOf(certificate, upstream)) roots.set(base64(root.der), root);
  for (const root of upstream?.roots ?? []) roots.set(base64(root), certificateOf(root));
  const tokenKeys = (kind: "jwt" | "wit"): ReadonlyMap<string, TokenKey> =>
    new Map(published.filter((record) => record.kind === kind).map((record) => [record.id, tokenKeyOf(record)]));
  return {
    trustDomain,
    x509Authorities: [...roots.values()],
    jwtKeys: new Map([...foreignKeys(state), ...tokenKeys("jwt")]),
    witKeys: tokenKeys("wit"),
    sequence,
    refreshHintSeconds,
  };
}

const base64 = (octets: Uint8Array): string => Buffer.from(octets).toString("base64");

/** Once the authority above says what it trusts, that is what counts: a root that it dropped is trusted no more. */
const rootsOf = ({ der, upstream }: AuthorityCertificate, trust: UpstreamTrust | undefined): readonly X509Certificate[] =>
  upstream === undefined ? [certificateOf(der)] : trust === undefined ? upstream.roots.map(certificateOf) : [];

/** Of authorities above and below, without what is revoked here. */
function foreignKeys({ upstream, downstreamKeys, deniedAuthorities, authorities }: JournalState): ReadonlyMap<string, TokenKey> {
  const revoked = new Set([...deniedAuthorities.map(({ value }) => value), ...authorities.map(({ id }) => id)]);
  const keys = [...(upstream?.jwtKeys ?? []), ...downstreamKeys].filter(({ keyId }) => !revoked.has(keyId));
  return new Map(
    keys.map(({ keyId, publicKeyInfo }) => [keyId, { keyId, publicKey: publicKeyOf(publicKeyInfo), algorithm: undefined }] as const),
  );
}

const publicKeyOf = (publicKeyInfo: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.from(publicKeyInfo), format: "der", type: "spki" });

const tokenKeyOf = ({ id, publicKeyInfo, keyType }: AuthorityRecord): TokenKey => ({
  keyId: id,
  publicKey: publicKeyOf(publicKeyInfo),
  algorithm: tokenAlgorithmOf(keyType),
});

/** How a certificate authority signs, and what stands between its leaves and the bundle. */
export function issuerOf(
  { certificate, id }: AuthorityRecord,
  { scheme }: SigningKey,
): { readonly issuer: CertificateIssuer; readonly chain: readonly Uint8Array[] } {
  if (certificate === undefined) throw new TypeError(`the authority \`${id}\` signs no certificates`);
  const { subject, subjectKeyIdentifier } = certificateOf(certificate.der);
  if (subjectKeyIdentifier === undefined)
    throw authorityError("AUTHORITY_STATE_DAMAGED", `the certificate of \`${id}\` has no key identifier`);
  const { upstream } = certificate;
  const chain = upstream === undefined ? [] : [certificate.der, ...upstream.intermediates];
  return { issuer: { name: subject, keyIdentifier: subjectKeyIdentifier, scheme }, chain };
}

function certificateOf(der: Uint8Array): X509Certificate {
  const certificate = parseX509Certificate(der);
  if (certificate.ok) return certificate.value;
  throw authorityError("AUTHORITY_STATE_DAMAGED", `a certificate in the authority's journal is damaged: ${certificate.error.message}`, {
    hint: "restore the journal from a backup",
  });
}
