/**
 * X.509 v3 certificates issued by hand-built DER (RFC 5280): the profile of an authority and of a leaf, ECDSA P-256 with SHA-256.
 * Keys and signatures are `node:crypto`; time and serial numbers are arguments.
 */
import { createHash, type KeyObject, sign } from "node:crypto";
import {
  contextTag,
  encodeBitString,
  encodeBoolean,
  encodeElement,
  encodeExplicit,
  encodeIa5String,
  encodeInteger,
  encodeNamedBits,
  encodeObjectIdentifier,
  encodeOctetString,
  encodeSequence,
  encodeSetOf,
  encodeTime,
  encodeUnsignedInteger,
  encodeUtf8String,
} from "./der.ts";
import { parseIpAddress } from "./ip-address.ts";

/** Object identifiers by the names of RFC 5280 and RFC 5758. */
const OID = {
  commonName: "2.5.4.3",
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
} as const;

/** Bits of KeyUsage (RFC 5280 §4.2.1.3). */
const KEY_USAGE = { digitalSignature: 0, keyCertSign: 5, crlSign: 6 } as const;

export type SubjectName =
  | { readonly kind: "dns"; readonly value: string }
  | { readonly kind: "ip"; readonly value: string }
  | { readonly kind: "uri"; readonly value: string };

/** What the certificate is for: its extensions follow from it. */
export type CertificateProfile =
  /** Signs certificates; `pathLength` is how many authorities may stand below it. */
  | { readonly kind: "authority"; readonly pathLength: number }
  /** Ends a chain; `names` becomes subjectAltName, at least one. */
  | { readonly kind: "leaf"; readonly names: readonly SubjectName[]; readonly usages: readonly ("serverAuth" | "clientAuth")[] };

export interface CertificateIssuer {
  /** The distinguished name is this common name alone. */
  readonly commonName: string;
  /** `keyIdentifier` of its public key. */
  readonly keyIdentifier: Uint8Array;
  /** EC P-256. */
  readonly privateKey: KeyObject;
}

export interface CertificateRequest {
  readonly profile: CertificateProfile;
  /** May be empty for a leaf: subjectAltName is critical then (RFC 5280 §4.1.2.6). */
  readonly commonName: string;
  /** The subject's SubjectPublicKeyInfo, DER. Not checked: that the subject holds the private key. */
  readonly publicKeyInfo: Uint8Array;
  /** 1 to 20 octets, at least 64 bits of them random (RFC 5280 §4.1.2.2, CA/B baseline). The highest bit is cleared. */
  readonly serial: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly issuer: CertificateIssuer;
}

const VERSION_3 = 2;
const MAX_SERIAL_BYTES = 20;
const ALGORITHM = encodeSequence(encodeObjectIdentifier(OID.ecdsaWithSha256));

/**
 * The certificate as DER. Throws a RangeError on a request that RFC 5280 does not allow: requests come from Vigil, not from strangers.
 * Not checked: that the issuer may sign this profile, and that its lifetime encloses the certificate's.
 */
export function issueCertificate(request: CertificateRequest): Uint8Array {
  const { profile, commonName, issuer, serial } = request;
  if (serial.length < 8 || serial.length > MAX_SERIAL_BYTES)
    throw new RangeError(`expected a serial of 8 to ${MAX_SERIAL_BYTES} octets, got ${serial.length}`);
  if (request.notAfterMs <= request.notBeforeMs) throw new RangeError("expected `notAfterMs` after `notBeforeMs`");
  if (profile.kind === "authority" && commonName === "") throw new RangeError("an authority needs a common name");
  if (issuer.privateKey.asymmetricKeyDetails?.namedCurve !== "prime256v1") throw new RangeError("expected an issuer key on P-256");
  const positive = Uint8Array.from(serial);
  positive[0] = (serial[0] ?? 0) & 0x7f;
  const certificate = encodeSequence(
    encodeExplicit(0, encodeInteger(VERSION_3)),
    encodeUnsignedInteger(positive),
    ALGORITHM,
    encodeName(issuer.commonName),
    encodeSequence(encodeTime(request.notBeforeMs), encodeTime(request.notAfterMs)),
    encodeName(commonName),
    request.publicKeyInfo,
    encodeExplicit(3, encodeSequence(...extensions(request))),
  );
  return encodeSequence(certificate, ALGORITHM, encodeBitString(sign("sha256", certificate, issuer.privateKey)));
}

function extensions({ profile, commonName, publicKeyInfo, issuer }: CertificateRequest): readonly Uint8Array[] {
  const identifiers = [
    extension(OID.subjectKeyIdentifier, false, encodeOctetString(keyIdentifier(publicKeyInfo))),
    extension(OID.authorityKeyIdentifier, false, encodeSequence(encodeElement(contextTag(0), issuer.keyIdentifier))),
  ];
  switch (profile.kind) {
    case "authority":
      return [
        extension(OID.basicConstraints, true, encodeSequence(encodeBoolean(true), encodeInteger(profile.pathLength))),
        extension(OID.keyUsage, true, encodeNamedBits([KEY_USAGE.keyCertSign, KEY_USAGE.crlSign])),
        ...identifiers,
      ];
    case "leaf":
      if (profile.names.length === 0) throw new RangeError("a leaf needs at least one name");
      return [
        extension(OID.basicConstraints, true, encodeSequence()),
        extension(OID.keyUsage, true, encodeNamedBits([KEY_USAGE.digitalSignature])),
        extension(OID.extendedKeyUsage, false, encodeSequence(...profile.usages.map((usage) => encodeObjectIdentifier(OID[usage])))),
        extension(OID.subjectAltName, commonName === "", encodeSequence(...profile.names.map(encodeGeneralName))),
        ...identifiers,
      ];
    default:
      return profile satisfies never;
  }
}

const extension = (oid: string, isCritical: boolean, value: Uint8Array): Uint8Array =>
  encodeSequence(encodeObjectIdentifier(oid), ...(isCritical ? [encodeBoolean(true)] : []), encodeOctetString(value));

const encodeName = (commonName: string): Uint8Array =>
  commonName === ""
    ? encodeSequence()
    : encodeSequence(encodeSetOf(encodeSequence(encodeObjectIdentifier(OID.commonName), encodeUtf8String(commonName))));

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
export const keyIdentifier = (publicKeyInfo: Uint8Array): Uint8Array => createHash("sha256").update(publicKeyInfo).digest().subarray(0, 20);
