/** Reads an X.509 certificate (RFC 5280 §4.1) to what path validation and SPIFFE ask about; everything else is kept unread. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { constructedContextTag, contextTag, TAG } from "../lib/der.ts";
import { type DerReader, readDer } from "../lib/der-reader.ts";
import { decodeOid } from "../lib/oid.ts";
import { ok, type Result } from "../lib/result.ts";
import { type NameConstraints, readNameConstraints } from "./name-constraints.ts";
import { refuse, SpiffeError } from "./spiffe-error.ts";

/** Names of subjectAltName by kind; IP addresses are octets, other kinds only counted. */
export interface AlternativeNames {
  readonly isCritical: boolean;
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  /** Tags of the names of other kinds (RFC 5280 §4.2.1.6). */
  readonly otherTags: readonly number[];
}

export interface X509Certificate {
  /** The whole certificate, DER. */
  readonly der: Uint8Array;
  /** What is signed. */
  readonly signedBytes: Uint8Array;
  /** AlgorithmIdentifier of the signature, DER. */
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
  readonly serial: bigint;
  /** Names as DER: compared octet by octet. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyInfo: Uint8Array;
  readonly isAuthority: boolean;
  /** Undefined where there is no limit. */
  readonly pathLength: number | undefined;
  /** Numbers of the bits of key usage (RFC 5280 §4.2.1.3); undefined without the extension. */
  readonly keyUsage: { readonly isCritical: boolean; readonly bits: readonly number[] } | undefined;
  /** Object identifiers; undefined without the extension. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  readonly names: AlternativeNames | undefined;
  readonly nameConstraints: NameConstraints | undefined;
  readonly subjectKeyIdentifier: Uint8Array | undefined;
  readonly authorityKeyIdentifier: Uint8Array | undefined;
  /** Critical extensions that are not read here. */
  readonly unknownCritical: readonly string[];
}

/** The certificate of exactly these octets. UNTRUSTED. Nothing is verified but the form. */
export function parseX509Certificate(der: Uint8Array): Result<X509Certificate, SpiffeError> {
  try {
    const result = readDer(der, (reader) => readCertificate(reader, der));
    return result.ok ? result : malformed(result.error);
  } catch (thrown) {
    if (thrown instanceof SpiffeError) return { ok: false, error: thrown };
    throw thrown;
  }
}

/** The certificates of a concatenation, as the Workload API sends chains and bundles. UNTRUSTED. */
export function parseX509Certificates(concatenated: Uint8Array, maxCount: number): Result<readonly X509Certificate[], SpiffeError> {
  const limits = { maxBytes: MAX_CONCATENATED_BYTES, maxDepth: 1, maxElements: maxCount };
  const parts = readDer(concatenated, (reader) => reader.rest((at) => at.element(TAG.sequence).bytes), limits);
  return parts.ok ? parseEach(parts.value) : malformed(parts.error);
}

/** The certificates in order, or why the first bad one is. */
export function parseEach(ders: readonly Uint8Array[]): Result<readonly X509Certificate[], SpiffeError> {
  const certificates: X509Certificate[] = [];
  for (const der of ders) {
    const certificate = parseX509Certificate(der);
    if (!certificate.ok) return certificate;
    certificates.push(certificate.value);
  }
  return ok(certificates);
}

const MAX_CONCATENATED_BYTES = 4 * 1024 * 1024;

const malformed = (error: Error): { readonly ok: false; readonly error: SpiffeError } =>
  refuse("x509-encoding", `the certificate is malformed: ${error.message}`, { cause: error });

const VERSION_1 = 0;
const VERSION_3 = 2;

function readCertificate(reader: DerReader, der: Uint8Array): X509Certificate {
  return reader.sequence((outer) => {
    const { bytes: signedBytes } = outer.peek();
    const body = outer.sequence(readBody);
    const signatureAlgorithm = outer.element(TAG.sequence).bytes;
    if (!isSame(signatureAlgorithm, body.signatureAlgorithm))
      throw new SpiffeError("x509-encoding", "the two signature algorithms of the certificate differ");
    return { der, signedBytes, ...body, signature: outer.bitString() };
  });
}

type Body = Omit<X509Certificate, "der" | "signedBytes" | "signature">;

function readBody(body: DerReader): Body {
  const version = body.optionalExplicit(0, (inner) => inner.integerBetween(1, VERSION_3)) ?? VERSION_1;
  const serial = body.integer();
  const signatureAlgorithm = body.element(TAG.sequence).bytes;
  const issuer = readName(body);
  const [notBeforeMs, notAfterMs] = body.sequence((validity) => [validity.time(), validity.time()] as const);
  const subject = readName(body);
  const publicKeyInfo = readKeyInfo(body);
  // issuerUniqueID and subjectUniqueID: nobody writes them (RFC 5280 §4.1.2.8), nobody needs them.
  for (const number of [1, 2]) if (body.nextTag === contextTag(number)) body.element();
  const extensions = body.optionalExplicit(3, readExtensions) ?? NO_EXTENSIONS;
  if (extensions !== NO_EXTENSIONS && version !== VERSION_3)
    throw new SpiffeError("x509-encoding", "the certificate has extensions, but is not of version 3");
  return { serial, signatureAlgorithm, issuer, notBeforeMs, notAfterMs, subject, publicKeyInfo, ...extensions };
}

/** Name (RFC 5280 §4.1.2.4), kept as it is written; the form alone is checked. */
function readName(body: DerReader): Uint8Array {
  const { bytes } = body.peek();
  body.sequence((names) =>
    names.rest(() =>
      names.enter(TAG.set, (attributes) =>
        attributes.rest(() =>
          attributes.sequence((attribute) => {
            attribute.oid();
            attribute.element();
          }),
        ),
      ),
    ),
  );
  return bytes;
}

/** SubjectPublicKeyInfo (§4.1.2.7), as `readName` does: a leaf's key is never decoded here. */
function readKeyInfo(body: DerReader): Uint8Array {
  const { bytes } = body.peek();
  body.sequence((info) => {
    info.sequence((algorithm) => {
      algorithm.oid();
      if (!algorithm.isAtEnd) algorithm.element();
    });
    info.bitString();
  });
  return bytes;
}

/** Decoding a key takes longer than reading its certificate, most keys are never used, and those of authorities are used all the time. */
const PUBLIC_KEYS = new WeakMap<X509Certificate, KeyObject>();

/** The key that a certificate is for; undefined when OpenSSL does not know such keys. */
export function publicKeyOfCertificate(certificate: X509Certificate): KeyObject | undefined {
  const known = PUBLIC_KEYS.get(certificate);
  if (known !== undefined) return known;
  try {
    const key = createPublicKey({ key: Buffer.from(certificate.publicKeyInfo), format: "der", type: "spki" });
    PUBLIC_KEYS.set(certificate, key);
    return key;
  } catch {
    // Why it cannot be read changes nothing: nothing can be verified with it.
    return undefined;
  }
}

type Extensions = Pick<
  X509Certificate,
  | "isAuthority"
  | "pathLength"
  | "keyUsage"
  | "extendedKeyUsage"
  | "names"
  | "nameConstraints"
  | "subjectKeyIdentifier"
  | "authorityKeyIdentifier"
  | "unknownCritical"
>;
type Draft = { -readonly [K in keyof Extensions]: Extensions[K] };

const NO_EXTENSIONS: Extensions = {
  isAuthority: false,
  pathLength: undefined,
  keyUsage: undefined,
  extendedKeyUsage: undefined,
  names: undefined,
  nameConstraints: undefined,
  subjectKeyIdentifier: undefined,
  authorityKeyIdentifier: undefined,
  unknownCritical: [],
};

const READERS: ReadonlyMap<string, (reader: DerReader, isCritical: boolean, draft: Draft) => void> = new Map([
  ["2.5.29.14", readSubjectKeyIdentifier],
  ["2.5.29.15", readKeyUsage],
  ["2.5.29.17", readAlternativeNames],
  ["2.5.29.19", readBasicConstraints],
  ["2.5.29.30", readConstraints],
  ["2.5.29.35", readAuthorityKeyIdentifier],
  ["2.5.29.37", readExtendedKeyUsage],
]);

function readExtensions(reader: DerReader): Extensions {
  const draft: Draft = { ...NO_EXTENSIONS };
  const seen = new Set<string>();
  const unknownCritical: string[] = [];
  reader.sequenceOf((list) =>
    list.sequence((extension) => {
      const oid = extension.oid();
      if (seen.has(oid)) throw new SpiffeError("x509-encoding", `the extension ${oid} stands twice in the certificate`);
      seen.add(oid);
      const isCritical = extension.nextTag === TAG.boolean && extension.boolean();
      const read = READERS.get(oid);
      if (read !== undefined) return extension.enter(TAG.octetString, (value) => read(value, isCritical, draft));
      extension.octetString();
      if (isCritical) unknownCritical.push(oid);
    }),
  );
  draft.unknownCritical = unknownCritical;
  return draft;
}

function readBasicConstraints(reader: DerReader, _: boolean, draft: Draft): void {
  reader.sequence((inner) => {
    draft.isAuthority = inner.nextTag === TAG.boolean && inner.boolean();
    draft.pathLength = inner.isAtEnd ? undefined : inner.integerBetween(0, Number.MAX_SAFE_INTEGER);
  });
}

function readKeyUsage(reader: DerReader, isCritical: boolean, draft: Draft): void {
  draft.keyUsage = { isCritical, bits: reader.namedBits() };
}

function readExtendedKeyUsage(reader: DerReader, _: boolean, draft: Draft): void {
  draft.extendedKeyUsage = reader.sequenceOf((inner) => inner.oid());
}

function readSubjectKeyIdentifier(reader: DerReader, _: boolean, draft: Draft): void {
  draft.subjectKeyIdentifier = reader.octetString();
}

function readAuthorityKeyIdentifier(reader: DerReader, _: boolean, draft: Draft): void {
  reader.sequence((inner) => {
    inner.rest(() => {
      const { tag, content } = inner.element();
      if (tag === contextTag(0)) draft.authorityKeyIdentifier = content;
    });
  });
}

function readConstraints(reader: DerReader, _: boolean, draft: Draft): void {
  draft.nameConstraints = readNameConstraints(reader);
}

/** GeneralName tags: dNSName and uniformResourceIdentifier. */
const DNS_NAME = contextTag(2);
const URI = contextTag(6);
const OTHER_NAME = constructedContextTag(0);
const REGISTERED_ID = contextTag(8);
/** The others of GeneralName (RFC 5280 §4.2.1.6): rfc822Name, iPAddress, and the constructed x400Address and ediPartyName. */
const UNREAD_NAMES: ReadonlySet<number> = new Set([contextTag(1), contextTag(7), constructedContextTag(3), constructedContextTag(5)]);

/** Of a name that is not read the form is checked, where it has one: another reader would stumble over the list, and see no name at all. */
function skipName(list: DerReader, tag: number): void {
  if (tag === OTHER_NAME)
    list.enter(tag, (name) => {
      name.oid();
      name.enter(constructedContextTag(0), (value) => value.element());
    });
  else if (tag === DIRECTORY_NAME) list.enter(tag, readName);
  else if (tag === REGISTERED_ID) {
    const { content } = list.element();
    if (decodeOid(content, 0, content.length) === undefined)
      throw new SpiffeError("x509-encoding", "an alternative name of the certificate is no canonical OBJECT IDENTIFIER");
  } else if (UNREAD_NAMES.has(tag)) list.element();
  else throw new SpiffeError("x509-encoding", "an alternative name of the certificate is of no kind that there is");
}

function readAlternativeNames(reader: DerReader, isCritical: boolean, draft: Draft): void {
  const uris: string[] = [];
  const dnsNames: string[] = [];
  const otherTags: number[] = [];
  reader.sequence((list) => {
    list.rest(() => {
      const { tag, content } = list.peek();
      // latin1 keeps every octet: what is not ASCII is refused by whoever parses the name.
      if (tag === URI) uris.push(Buffer.from(content).toString("latin1"));
      else if (tag === DNS_NAME) dnsNames.push(Buffer.from(content).toString("latin1"));
      else otherTags.push(tag);
      if (tag === URI || tag === DNS_NAME) list.element();
      else skipName(list, tag);
    });
  });
  draft.names = { isCritical, uris, dnsNames, otherTags };
}

const EMPTY_NAME_LENGTH = 2;
/** Whether the subject is an empty sequence. */
export const hasEmptySubject = (certificate: X509Certificate): boolean => certificate.subject.length === EMPTY_NAME_LENGTH;
export const isSelfIssued = (certificate: X509Certificate): boolean => isSame(certificate.issuer, certificate.subject);
/** Whether two have the same octets. Not for secrets: the time tells where they differ. */
export function isSame(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  // A call into native code costs more than what names and algorithms have octets.
  if (left.length > MAX_COMPARED_HERE) return Buffer.compare(left, right) === 0;
  for (let at = 0; at < left.length; at++) if (left[at] !== right[at]) return false;
  return true;
}
const MAX_COMPARED_HERE = 128;
/** Tag of a directoryName among general names. */
export const DIRECTORY_NAME: number = constructedContextTag(4);
