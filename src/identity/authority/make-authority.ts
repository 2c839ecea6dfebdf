/** A new authority of a key: for certificates it issues itself or is issued from above. */
import { EMPTY_NAME, encodeCommonName, encodeSigned, encodeToBeSigned, keyIdentifier } from "../../lib/certificate.ts";
import type { TrustBundle } from "../../spiffe/bundle.ts";
import { idOfTrustDomain, type TrustDomain } from "../../spiffe/spiffe-id.ts";
import { parseEach, parseX509Certificate, type X509Certificate } from "../../spiffe/x509-certificate.ts";
import { verifyX509Svid } from "../../spiffe/x509-svid.ts";
import { authorityError } from "./authority-error.ts";
import type { AuthorityCertificate, AuthorityKind, AuthorityRecord } from "./authority-record.ts";
import { encodeCertificationRequest } from "./certification-request.ts";
import type { SigningKey } from "./key-store.ts";
import { randomSerial } from "./serial.ts";
import type { UpstreamAuthority, UpstreamCertificate } from "./upstream-authority.ts";

/** Certificates begin a little in the past: clocks differ. */
export const BACKDATE_MS = 10_000;

interface MakeOptions {
  readonly trustDomain: TrustDomain;
  readonly upstream: UpstreamAuthority | undefined;
  readonly ttlMs: number;
  readonly nowMs: number;
  readonly random: (bytes: number) => Uint8Array;
}

/** The record of a prepared authority. Rejects with `AUTHORITY_UPSTREAM` when the authority above does not issue what is needed. */
export async function makeAuthority(kind: AuthorityKind, key: SigningKey, options: MakeOptions): Promise<AuthorityRecord> {
  const { nowMs, ttlMs, random } = options;
  const record = {
    kind,
    phase: "prepared" as const,
    sinceMs: nowMs,
    keyName: key.name,
    keyType: key.keyType,
    publicKeyInfo: key.publicKeyInfo,
    notBeforeMs: nowMs,
    notAfterMs: nowMs + ttlMs,
    isTainted: false,
  };
  if (kind !== "x509") return { ...record, id: Buffer.from(random(16)).toString("hex"), certificate: undefined };
  const made = await (options.upstream === undefined ? makeRoot(key, options) : askUpstream(options.upstream, key, options));
  return { ...record, ...made };
}

type CertifiedPart = Pick<AuthorityRecord, "id" | "notBeforeMs" | "notAfterMs"> & { readonly certificate: AuthorityCertificate };

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Names differ from one authority to the next, so that those who build chains take the right one. */
const subjectOf = (key: SigningKey): Uint8Array =>
  encodeCommonName(`Vigil authority ${hex(keyIdentifier(key.publicKeyInfo)).slice(0, 16)}`);

async function makeRoot(key: SigningKey, { trustDomain, nowMs, ttlMs, random }: MakeOptions): Promise<CertifiedPart> {
  const subject = subjectOf(key);
  const identifier = keyIdentifier(key.publicKeyInfo);
  const times = { notBeforeMs: nowMs - BACKDATE_MS, notAfterMs: nowMs + ttlMs };
  const toBeSigned = encodeToBeSigned({
    profile: { kind: "authority", pathLength: undefined, names: [{ kind: "uri", value: idOfTrustDomain(trustDomain) }] },
    subject,
    publicKeyInfo: key.publicKeyInfo,
    serial: randomSerial(random),
    ...times,
    issuer: { name: subject, keyIdentifier: identifier, scheme: key.scheme },
  });
  const der = encodeSigned(toBeSigned, key.scheme, await key.sign(toBeSigned));
  return { id: hex(identifier), notBeforeMs: nowMs, notAfterMs: times.notAfterMs, certificate: { der, upstream: undefined } };
}

async function askUpstream(upstream: UpstreamAuthority, key: SigningKey, options: MakeOptions): Promise<CertifiedPart> {
  const { trustDomain, nowMs, ttlMs, random } = options;
  const subject = subjectOf(key);
  const spiffeId = idOfTrustDomain(trustDomain);
  const csr = await encodeCertificationRequest({ subject, spiffeId, publicKeyInfo: key.publicKeyInfo }, key.scheme, key.sign);
  const times = { notBeforeMs: nowMs - BACKDATE_MS, notAfterMs: nowMs + ttlMs };
  const issued = await upstream.issue({ key, csr, subject, spiffeId, serial: randomSerial(random), ...times });
  const own = readIssued(upstream, issued, key);
  const validUntilMs = await tryIssued(upstream, issued, key, own.subjectKeyIdentifier, options);
  return {
    id: hex(own.subjectKeyIdentifier),
    notBeforeMs: Math.max(own.notBeforeMs, nowMs),
    notAfterMs: Math.min(own.notAfterMs, validUntilMs),
    certificate: {
      der: issued.certificate,
      upstream: { name: upstream.name, intermediates: issued.intermediates, roots: issued.roots },
    },
  };
}

type OwnCertificate = X509Certificate & { readonly subjectKeyIdentifier: Uint8Array };

function readIssued(upstream: UpstreamAuthority, { certificate }: UpstreamCertificate, key: SigningKey): OwnCertificate {
  const own = parseX509Certificate(certificate);
  if (!own.ok) throw refused(upstream, own.error.message);
  if (Buffer.compare(own.value.publicKeyInfo, key.publicKeyInfo) !== 0) throw refused(upstream, "the certificate is of another key");
  const { subjectKeyIdentifier } = own.value;
  if (subjectKeyIdentifier === undefined) throw refused(upstream, "the certificate has no subject key identifier");
  return { ...own.value, subjectKeyIdentifier };
}

/** Signs a certificate that is thrown away, and verifies it as strangers will: until when it would be valid. */
async function tryIssued(
  upstream: UpstreamAuthority,
  { certificate, intermediates, roots }: UpstreamCertificate,
  key: SigningKey,
  identifier: Uint8Array,
  { trustDomain, nowMs, random }: MakeOptions,
): Promise<number> {
  const authorities = parseEach(roots);
  const own = parseX509Certificate(certificate);
  if (!authorities.ok || !own.ok || roots.length === 0) throw refused(upstream, "it sent no root that can be read");
  const toBeSigned = encodeToBeSigned({
    profile: {
      kind: "leaf",
      names: [{ kind: "uri", value: `${idOfTrustDomain(trustDomain)}/vigil/probe` }],
      usages: ["serverAuth", "clientAuth"],
    },
    subject: EMPTY_NAME,
    publicKeyInfo: key.publicKeyInfo,
    serial: randomSerial(random),
    notBeforeMs: nowMs - BACKDATE_MS,
    notAfterMs: MAX_TIME_MS,
    issuer: { name: own.value.subject, keyIdentifier: identifier, scheme: key.scheme },
  });
  const leaf = encodeSigned(toBeSigned, key.scheme, await key.sign(toBeSigned));
  const bundle: TrustBundle = { trustDomain, x509Authorities: authorities.value, jwtKeys: new Map(), witKeys: new Map() };
  const verified = verifyX509Svid([leaf, certificate, ...intermediates], { bundleOf: () => bundle }, { nowMs });
  if (!verified.ok) throw refused(upstream, verified.error.message);
  return verified.value.validUntilMs;
}

/** The last second that certificates can write. */
const MAX_TIME_MS = Date.UTC(9999, 11, 31, 23, 59, 59);

const refused = (upstream: UpstreamAuthority, reason: string): Error =>
  authorityError("AUTHORITY_UPSTREAM", `the upstream authority (${upstream.name}) did not issue what is needed: ${reason}`, {
    hint: "it must sign authorities, with a path length of at least 1 for ours",
  });
