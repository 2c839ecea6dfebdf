/**
 * X.509 v3 certificates issued by hand-built DER (RFC 5280): the profile of an authority and of a leaf.
 * Keys and signatures are `node:crypto` or a key service; time and serial numbers are arguments.
 */
import { hash, type KeyObject, sign } from "node:crypto";
import {
  contextTag,
  encodeBitString,
  encodeBoolean,
  encodeElement,
  encodeExplicit,
  encodeIa5String,
  encodeInteger,
  encodeNamedBits,
  encodeNull,
  encodeObjectIdentifier,
  encodeOctetString,
  encodeSequence,
  encodeSetOf,
  encodeTime,
  encodeUnsignedInteger,
  encodeUtf8String,
} from "./der.ts";
import { parseIpAddress } from "./ip-address.ts";

/** Object identifiers by the names of RFC 5280 and RFC 5758, encoded once. */
const OID = {
  commonName: encodeObjectIdentifier("2.5.4.3"),
  subjectKeyIdentifier: encodeObjectIdentifier("2.5.29.14"),
  keyUsage: encodeObjectIdentifier("2.5.29.15"),
  subjectAltName: encodeObjectIdentifier("2.5.29.17"),
  basicConstraints: encodeObjectIdentifier("2.5.29.19"),
  authorityKeyIdentifier: encodeObjectIdentifier("2.5.29.35"),
  extendedKeyUsage: encodeObjectIdentifier("2.5.29.37"),
  serverAuth: encodeObjectIdentifier("1.3.6.1.5.5.7.3.1"),
  clientAuth: encodeObjectIdentifier("1.3.6.1.5.5.7.3.2"),
} as const;

/** Bits of KeyUsage (RFC 5280 §4.2.1.3). */
const KEY_USAGE = { digitalSignature: 0, keyCertSign: 5, crlSign: 6 } as const;

/** How a kind of key signs: its hash, and the AlgorithmIdentifier that says so. */
export interface SignatureScheme {
  readonly hash: "sha256" | "sha384";
  /** DER. */
  readonly identifier: Uint8Array;
}

const ECDSA_SHA256: SignatureScheme = { hash: "sha256", identifier: encodeSequence(encodeObjectIdentifier("1.2.840.10045.4.3.2")) };
const ECDSA_SHA384: SignatureScheme = { hash: "sha384", identifier: encodeSequence(encodeObjectIdentifier("1.2.840.10045.4.3.3")) };
const RSA_SHA256: SignatureScheme = {
  hash: "sha256",
  identifier: encodeSequence(encodeObjectIdentifier("1.2.840.113549.1.1.11"), encodeNull()),
};

const MIN_RSA_BITS = 2048;

/** The scheme of a key on P-256 or P-384, or of RSA from 2048 bits. Throws a RangeError on any other. */
export function signatureScheme(key: KeyObject): SignatureScheme {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (namedCurve === "prime256v1") return ECDSA_SHA256;
  if (namedCurve === "secp384r1") return ECDSA_SHA384;
  if (key.asymmetricKeyType === "rsa" && modulusLength >= MIN_RSA_BITS) return RSA_SHA256;
  throw new RangeError("expected a key on P-256 or P-384, or of RSA with 2048 bits or more");
}

export type SubjectName =
  | { readonly kind: "dns"; readonly value: string }
  | { readonly kind: "ip"; readonly value: string }
  | { readonly kind: "uri"; readonly value: string };

/** What the certificate is for: its extensions follow from it. */
export type CertificateProfile =
  /** Signs certificates; `pathLength` is how many authorities may stand below it, undefined any number. */
  | { readonly kind: "authority"; readonly pathLength: number | undefined; readonly names?: readonly SubjectName[] }
  /** Ends a chain; `names` becomes subjectAltName, at least one. */
  | { readonly kind: "leaf"; readonly names: readonly SubjectName[]; readonly usages: readonly ("serverAuth" | "clientAuth")[] };

export interface CertificateIssuer {
  /** Its subject: a Name, DER. */
  readonly name: Uint8Array;
  /** That of its certificate. */
  readonly keyIdentifier: Uint8Array;
  readonly scheme: SignatureScheme;
}

/** An issuer whose key is at hand. */
export interface LocalIssuer extends CertificateIssuer {
  readonly privateKey: KeyObject;
}

/** The issuer that a private key with the usual key identifier is. */
export const localIssuer = (name: Uint8Array, publicKeyInfo: Uint8Array, privateKey: KeyObject): LocalIssuer => ({
  name,
  keyIdentifier: keyIdentifier(publicKeyInfo),
  scheme: signatureScheme(privateKey),
  privateKey,
});

export interface CertificateRequest<I extends CertificateIssuer = LocalIssuer> {
  readonly profile: CertificateProfile;
  /** A Name, DER. May be empty for a leaf: subjectAltName is critical then (RFC 5280 §4.1.2.6). */
  readonly subject: Uint8Array;
  /** The subject's SubjectPublicKeyInfo, DER. Not checked: that the subject holds the private key. */
  readonly publicKeyInfo: Uint8Array;
  /** 1 to 20 octets, at least 64 bits of them random (RFC 5280 §4.1.2.2, CA/B baseline). The highest bit is cleared. */
  readonly serial: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly issuer: I;
}

const VERSION_3 = encodeExplicit(0, encodeInteger(2));
const MAX_SERIAL_BYTES = 20;

/**
 * The certificate as DER. Throws a RangeError on a request that RFC 5280 does not allow: requests come from Vigil, not from strangers.
 * Not checked: that the issuer may sign this profile, and that its lifetime encloses the certificate's.
 */
export function issueCertificate(request: CertificateRequest): Uint8Array {
  const { scheme, privateKey } = request.issuer;
  const toBeSigned = encodeToBeSigned(request);
  return encodeSigned(toBeSigned, scheme, sign(scheme.hash, toBeSigned, privateKey));
}

/** TBSCertificate (RFC 5280 §4.1): what the issuer signs. Throws as `issueCertificate` does. */
export function encodeToBeSigned(request: CertificateRequest<CertificateIssuer>): Uint8Array {
  const { profile, subject, issuer, serial } = request;
  if (serial.length < 8 || serial.length > MAX_SERIAL_BYTES)
    throw new RangeError(`expected a serial of 8 to ${MAX_SERIAL_BYTES} octets, got ${serial.length}`);
  if (request.notAfterMs <= request.notBeforeMs) throw new RangeError("expected `notAfterMs` after `notBeforeMs`");
  if (profile.kind === "authority" && isEmptyName(subject)) throw new RangeError("an authority needs a name");
  const positive = Uint8Array.from(serial);
  positive[0] = (serial[0] ?? 0) & 0x7f;
  return encodeSequence(
    VERSION_3,
    encodeUnsignedInteger(positive),
    issuer.scheme.identifier,
    issuer.name,
    encodeSequence(encodeTime(request.notBeforeMs), encodeTime(request.notAfterMs)),
    subject,
    request.publicKeyInfo,
    encodeExplicit(3, encodeSequence(...extensions(request))),
  );
}

/** What X.509 and PKCS#10 have in common: content, algorithm and signature in one sequence. */
export const encodeSigned = (toBeSigned: Uint8Array, scheme: SignatureScheme, signature: Uint8Array): Uint8Array =>
  encodeSequence(toBeSigned, scheme.identifier, encodeBitString(signature));

function extensions({ profile, subject, publicKeyInfo, issuer }: CertificateRequest<CertificateIssuer>): readonly Uint8Array[] {
  return [
    ...profileExtensions(profile, isEmptyName(subject)),
    extension(OID.subjectKeyIdentifier, encodeOctetString(keyIdentifier(publicKeyInfo))),
    authorityKeyIdentifier(issuer.keyIdentifier),
  ];
}

/** What follows from the profile alone is encoded once for each of them: an authority issues for one workload again and again. */
function profileExtensions(profile: CertificateProfile, hasEmptySubject: boolean): readonly Uint8Array[] {
  const memo = hasEmptySubject ? WITHOUT_SUBJECT : WITH_SUBJECT;
  let encoded = memo.get(profile);
  if (encoded === undefined) {
    encoded = encodeProfile(profile, hasEmptySubject);
    memo.set(profile, encoded);
  }
  return encoded;
}

const WITHOUT_SUBJECT = new WeakMap<CertificateProfile, readonly Uint8Array[]>();
const WITH_SUBJECT = new WeakMap<CertificateProfile, readonly Uint8Array[]>();

function encodeProfile(profile: CertificateProfile, hasEmptySubject: boolean): readonly Uint8Array[] {
  switch (profile.kind) {
    case "authority": {
      const { pathLength, names = [] } = profile;
      const length = pathLength === undefined ? [] : [encodeInteger(pathLength)];
      return [
        criticalExtension(OID.basicConstraints, encodeSequence(encodeBoolean(true), ...length)),
        AUTHORITY_KEY_USAGE,
        ...(names.length === 0 ? [] : [extension(OID.subjectAltName, encodeSequence(...names.map(encodeGeneralName)))]),
      ];
    }
    case "leaf": {
      if (profile.names.length === 0) throw new RangeError("a leaf needs at least one name");
      const names = encodeSequence(...profile.names.map(encodeGeneralName));
      return [
        LEAF_CONSTRAINTS,
        LEAF_KEY_USAGE,
        extendedKeyUsage(profile.usages),
        hasEmptySubject ? criticalExtension(OID.subjectAltName, names) : extension(OID.subjectAltName, names),
      ];
    }
    default:
      return profile satisfies never;
  }
}

/** By the identifier. */
const AUTHORITY_KEY_IDENTIFIERS = new WeakMap<Uint8Array, Uint8Array>();

function authorityKeyIdentifier(identifier: Uint8Array): Uint8Array {
  let encoded = AUTHORITY_KEY_IDENTIFIERS.get(identifier);
  if (encoded === undefined) {
    encoded = extension(OID.authorityKeyIdentifier, encodeSequence(encodeElement(contextTag(0), identifier)));
    AUTHORITY_KEY_IDENTIFIERS.set(identifier, encoded);
  }
  return encoded;
}

const TRUE = encodeBoolean(true);
const extension = (oid: Uint8Array, value: Uint8Array): Uint8Array => encodeSequence(oid, encodeOctetString(value));
const criticalExtension = (oid: Uint8Array, value: Uint8Array): Uint8Array => encodeSequence(oid, TRUE, encodeOctetString(value));

const extendedKeyUsage = (usages: readonly ("serverAuth" | "clientAuth")[]): Uint8Array =>
  usages.length === 2 && usages[0] === "serverAuth" && usages[1] === "clientAuth"
    ? BOTH_USAGES
    : extension(OID.extendedKeyUsage, encodeSequence(...usages.map((usage) => OID[usage])));

const BOTH_USAGES = extension(OID.extendedKeyUsage, encodeSequence(OID.serverAuth, OID.clientAuth));
const AUTHORITY_KEY_USAGE = criticalExtension(OID.keyUsage, encodeNamedBits([KEY_USAGE.keyCertSign, KEY_USAGE.crlSign]));
const LEAF_KEY_USAGE = criticalExtension(OID.keyUsage, encodeNamedBits([KEY_USAGE.digitalSignature]));
const LEAF_CONSTRAINTS = criticalExtension(OID.basicConstraints, encodeSequence());

/** A Name without attributes. */
export const EMPTY_NAME: Uint8Array = encodeSequence();

const isEmptyName = (name: Uint8Array): boolean => name.length === EMPTY_NAME.length;

/** A Name that is a common name alone; of an empty text the empty Name. */
export const encodeCommonName = (commonName: string): Uint8Array =>
  commonName === "" ? EMPTY_NAME : encodeSequence(encodeSetOf(encodeSequence(OID.commonName, encodeUtf8String(commonName))));

/** GeneralName (RFC 5280 §4.2.1.6). */
function encodeGeneralName(name: SubjectName): Uint8Array {
  switch (name.kind) {
    case "dns":
      return encodeIa5String(name.value, contextTag(2));
    case "uri":
      return encodeIa5String(name.value, contextTag(6));
    case "ip": {
      const octets = parseIpAddress(name.value);
      if (octets === undefined) throw new RangeError(`expected an IP address, got \`${name.value}\``);
      return encodeElement(contextTag(7), octets);
    }
    default:
      return name satisfies never;
  }
}

/** Any value that is unique to the key serves (RFC 5280 §4.2.1.2): 160 bits of the SHA-256 of its SubjectPublicKeyInfo. */
export const keyIdentifier = (publicKeyInfo: Uint8Array): Uint8Array => hash("sha256", publicKeyInfo, "buffer").subarray(0, 20);
