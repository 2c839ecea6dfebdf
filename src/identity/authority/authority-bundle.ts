/** From the records of authorities to what others are told: the bundle, and the issuer of certificates. */
import { createPublicKey } from "node:crypto";
import type { CertificateIssuer } from "../../lib/certificate.ts";
import type { TrustBundle } from "../../spiffe/bundle.ts";
import type { TokenKey } from "../../spiffe/token-key.ts";
import { parseX509Certificate, type X509Certificate } from "../../spiffe/x509-certificate.ts";
import { authorityError } from "./authority-error.ts";
import { type AuthorityCertificate, type AuthorityRecord, isPublished } from "./authority-record.ts";
import type { JournalState } from "./journal.ts";
import { type SigningKey, tokenAlgorithmOf } from "./key-store.ts";

/** What others trust: roots of certificates and keys of tokens, in the order in which they were made. */
export function authorityBundle({ trustDomain, sequence, authorities }: JournalState, refreshHintSeconds: number): TrustBundle {
  const published = authorities.filter(isPublished);
  const roots = new Map<string, X509Certificate>();
  for (const { certificate } of published)
    for (const root of certificate === undefined ? [] : rootsOf(certificate)) roots.set(Buffer.from(root.der).toString("base64"), root);
  const tokenKeys = (kind: "jwt" | "wit"): ReadonlyMap<string, TokenKey> =>
    new Map(published.filter((record) => record.kind === kind).map((record) => [record.id, tokenKeyOf(record)]));
  return {
    trustDomain,
    x509Authorities: [...roots.values()],
    jwtKeys: tokenKeys("jwt"),
    witKeys: tokenKeys("wit"),
    sequence,
    refreshHintSeconds,
  };
}

const rootsOf = ({ der, upstream }: AuthorityCertificate): readonly X509Certificate[] => (upstream?.roots ?? [der]).map(certificateOf);

const tokenKeyOf = ({ id, publicKeyInfo, keyType }: AuthorityRecord): TokenKey => ({
  keyId: id,
  publicKey: createPublicKey({ key: Buffer.from(publicKeyInfo), format: "der", type: "spki" }),
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
