/** Signatures of certificates through `node:crypto`: an allow-list of algorithms, each bound to the keys that may make it. */
import { constants, type KeyObject, type SigningOptions, verify } from "node:crypto";
import { encodeExplicit, encodeInteger, encodeNull, encodeObjectIdentifier, encodeSequence } from "../lib/der.ts";
import { isSame, type X509Certificate } from "./x509-certificate.ts";

/** RSA below it can be factored by those who would want to. */
export const MIN_RSA_BITS = 2048;

interface SignatureAlgorithm {
  /** AlgorithmIdentifier, DER. */
  readonly identifier: Uint8Array;
  readonly keyType: "ec" | "rsa" | "ed25519";
  readonly hash: "sha256" | "sha384" | "sha512" | null;
  /** Undefined for what `node:crypto` does unasked: PKCS #1 v1.5 and DER. Asking costs as much as a third of a verification. */
  readonly options?: SigningOptions;
}

const identifier = (oid: string, ...parameters: readonly Uint8Array[]): Uint8Array =>
  encodeSequence(encodeObjectIdentifier(oid), ...parameters);

const HASHES = [
  { hash: "sha256", bytes: 32, oid: "2.16.840.1.101.3.4.2.1", rsa: "1.2.840.113549.1.1.11", ecdsa: "1.2.840.10045.4.3.2" },
  { hash: "sha384", bytes: 48, oid: "2.16.840.1.101.3.4.2.2", rsa: "1.2.840.113549.1.1.12", ecdsa: "1.2.840.10045.4.3.3" },
  { hash: "sha512", bytes: 64, oid: "2.16.840.1.101.3.4.2.3", rsa: "1.2.840.113549.1.1.13", ecdsa: "1.2.840.10045.4.3.4" },
] as const;

const RSA_PSS = "1.2.840.113549.1.1.10";
const MGF1 = "1.2.840.113549.1.1.8";
const ED25519 = "1.3.101.112";

/** RSASSA-PSS-params (RFC 4055 §3.1) in their one form: MGF1 with the same hash, a salt as long as the hash. */
const pssIdentifier = (hashOid: string, saltBytes: number, ...hashParameters: readonly Uint8Array[]): Uint8Array => {
  const hash = identifier(hashOid, ...hashParameters);
  return identifier(
    RSA_PSS,
    encodeSequence(encodeExplicit(0, hash), encodeExplicit(1, identifier(MGF1, hash)), encodeExplicit(2, encodeInteger(saltBytes))),
  );
};

const ALGORITHMS: readonly SignatureAlgorithm[] = [
  ...HASHES.flatMap(({ hash, bytes, oid, rsa, ecdsa }): readonly SignatureAlgorithm[] => {
    const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: bytes };
    return [
      { identifier: identifier(ecdsa), keyType: "ec", hash },
      { identifier: identifier(rsa, encodeNull()), keyType: "rsa", hash },
      // RFC 4055 §2.1 demands that readers take the hash both with and without NULL.
      { identifier: pssIdentifier(oid, bytes, encodeNull()), keyType: "rsa", hash, options: pss },
      { identifier: pssIdentifier(oid, bytes), keyType: "rsa", hash, options: pss },
    ];
  }),
  { identifier: identifier(ED25519), keyType: "ed25519", hash: null },
];

const CURVES: ReadonlySet<string> = new Set(["prime256v1", "secp384r1", "secp521r1"]);

/** What rules ask of a key. */
interface KeyTraits {
  readonly type: string | undefined;
  /** OpenSSL's name; undefined for other kinds of keys. */
  readonly curve: string | undefined;
  /** Of the modulus; 0 for other kinds of keys. */
  readonly bits: number;
}

/** `node:crypto` writes the details of a key down anew for everyone who asks. */
const TRAITS = new WeakMap<KeyObject, KeyTraits>();

export function traitsOf(key: KeyObject): KeyTraits {
  const known = TRAITS.get(key);
  if (known !== undefined) return known;
  const { namedCurve: curve, modulusLength: bits = 0 } = key.asymmetricKeyDetails ?? {};
  const traits = { type: key.asymmetricKeyType, curve, bits };
  TRAITS.set(key, traits);
  return traits;
}

/** Whether `key` is of a kind and strength that may sign. */
export function isStrongKey(key: KeyObject): boolean {
  const { type, curve = "", bits } = traitsOf(key);
  if (type === "ec") return CURVES.has(curve);
  if (type === "rsa") return bits >= MIN_RSA_BITS;
  return type === "ed25519";
}

export type SignatureVerdict = "right" | "wrong" | "unsupported";

/** What is signed, how, and the signature: of certificates, and of other documents that sign as they do. */
export interface SignedDocument {
  /** AlgorithmIdentifier, DER. */
  readonly algorithm: Uint8Array;
  readonly signedBytes: Uint8Array;
  readonly signature: Uint8Array;
}

/** Whether the holder of `key` signed the document; `unsupported` when algorithm or key is not on the list, or they do not fit. */
export function verifySignature({ algorithm: identifier, signedBytes, signature }: SignedDocument, key: KeyObject): SignatureVerdict {
  const algorithm = ALGORITHMS.find((known) => isSame(known.identifier, identifier));
  if (algorithm === undefined || algorithm.keyType !== traitsOf(key).type || !isStrongKey(key)) return "unsupported";
  const { hash, options } = algorithm;
  return verify(hash, signedBytes, options === undefined ? key : { ...options, key }, signature) ? "right" : "wrong";
}

/** Whether the holder of `issuerKey` signed the certificate, as `verifySignature` says it. */
export const verifyCertificateSignature = (
  { signatureAlgorithm: algorithm, signedBytes, signature }: X509Certificate,
  issuerKey: KeyObject,
): SignatureVerdict => verifySignature({ algorithm, signedBytes, signature }, issuerKey);
