/** PKCS#10 certification requests (RFC 2986): read from agents, written for upstream authorities. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { encodeSigned, type SignatureScheme } from "../../lib/certificate.ts";
import {
  constructedContextTag,
  contextTag,
  encodeElement,
  encodeIa5String,
  encodeInteger,
  encodeObjectIdentifier,
  encodeOctetString,
  encodeSequence,
  encodeSetOf,
} from "../../lib/der.ts";
import { type DerReader, readDer } from "../../lib/der-reader.ts";
import { isUncompressedPoint, type PointCurve } from "../../lib/elliptic-point.ts";
import { VigilError } from "../../lib/error.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { isStrongKey, verifySignature } from "../../spiffe/certificate-signature.ts";

/** What is wrong with what a caller wants signed. Each is a row in ERRORS.md. */
export type SubjectKeyErrorCode = "IDENTITY_CSR" | "IDENTITY_PUBLIC_KEY";

const EXTENSION_REQUEST = encodeObjectIdentifier("1.2.840.113549.1.9.14");
const SUBJECT_ALT_NAME = encodeObjectIdentifier("2.5.29.17");
const MAX_CSR_BYTES = 16 * 1024;
const MAX_KEY_BYTES = 4 * 1024;

const refuse = (code: SubjectKeyErrorCode, message: string, hint?: string): Result<never, VigilError<SubjectKeyErrorCode>> =>
  err(new VigilError(code, message, hint === undefined ? {} : { hint }));

interface UsualKey {
  /** What stands before an uncompressed point (RFC 5480 §2). */
  readonly prefix: Buffer;
  /** Of the whole. */
  readonly bytes: number;
  readonly curve: PointCurve;
}

const USUAL_KEYS: readonly UsualKey[] = [
  { prefix: Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex"), bytes: 91, curve: "P-256" },
  { prefix: Buffer.from("3076301006072a8648ce3d020106052b81040022036200", "hex"), bytes: 120, curve: "P-384" },
];

/**
 * Why a SubjectPublicKeyInfo may not have an SVID; undefined when it may. As `readSubjectKey` decides it, for the usual keys without a key
 * object, which costs as much as a signature. UNTRUSTED.
 */
export function subjectKeyProblem(publicKeyInfo: Uint8Array): VigilError<SubjectKeyErrorCode> | undefined {
  const usual = USUAL_KEYS.find(
    ({ prefix, bytes }) => publicKeyInfo.length === bytes && prefix.equals(publicKeyInfo.subarray(0, prefix.length)),
  );
  if (usual !== undefined && isUncompressedPoint(publicKeyInfo.subarray(usual.prefix.length), usual.curve)) return undefined;
  const read = readSubjectKey(publicKeyInfo);
  return read.ok ? undefined : read.error;
}

/** The public key of a SubjectPublicKeyInfo, checked to be one that may have an SVID. UNTRUSTED. */
export function readSubjectKey(publicKeyInfo: Uint8Array): Result<KeyObject, VigilError<SubjectKeyErrorCode>> {
  if (publicKeyInfo.length > MAX_KEY_BYTES) return refuse("IDENTITY_PUBLIC_KEY", `expected at most ${MAX_KEY_BYTES} octets of public key`);
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(publicKeyInfo), format: "der", type: "spki" });
  } catch {
    return refuse("IDENTITY_PUBLIC_KEY", "expected a SubjectPublicKeyInfo in DER");
  }
  if (key.asymmetricKeyType === "ed25519" || !isStrongKey(key))
    return refuse(
      "IDENTITY_PUBLIC_KEY",
      "the key is of a kind or size that no SVID has",
      "use EC P-256, P-384 or P-521, or RSA with 2048 bits or more",
    );
  // OpenSSL reads more encodings than one: what is certified must be the one that everybody reads.
  if (!key.export({ type: "spki", format: "der" }).equals(publicKeyInfo))
    return refuse("IDENTITY_PUBLIC_KEY", "the public key is not in its canonical encoding");
  return ok(key);
}

/**
 * The public key of a request whose signature proves that the requester holds the private key. Nothing else of the request counts: what
 * names a certificate has is the authority's to say. UNTRUSTED.
 */
export function readCertificationRequest(der: Uint8Array): Result<Uint8Array, VigilError<SubjectKeyErrorCode>> {
  if (der.length > MAX_CSR_BYTES) return refuse("IDENTITY_CSR", `expected at most ${MAX_CSR_BYTES} octets of certification request`);
  const parts = readDer(der, (reader) =>
    reader.sequence((request) => ({
      ...readInfo(request),
      algorithm: request.element().bytes,
      signature: request.bitString(),
    })),
  );
  if (!parts.ok) return refuse("IDENTITY_CSR", `not a PKCS#10 request: ${parts.error.message}`);
  const { publicKeyInfo, signedBytes, algorithm, signature } = parts.value;
  const key = readSubjectKey(publicKeyInfo);
  if (!key.ok) return key;
  const verdict = verifySignature({ algorithm, signedBytes, signature }, key.value);
  if (verdict === "right") return ok(publicKeyInfo);
  return refuse(
    "IDENTITY_CSR",
    verdict === "wrong" ? "the request is not signed by its own key" : "the request is signed by an algorithm that is not accepted",
  );
}

/** CertificationRequestInfo (§4.1). */
function readInfo(request: DerReader): { readonly publicKeyInfo: Uint8Array; readonly signedBytes: Uint8Array } {
  let publicKeyInfo: Uint8Array = new Uint8Array(0);
  const signedBytes = request.peek().bytes;
  request.sequence((info) => {
    info.integerBetween(0, 0);
    info.sequence((name) => name.rest((part) => part.element()));
    publicKeyInfo = info.element().bytes;
    info.rest((attributes) => attributes.element(constructedContextTag(0)));
  });
  return { publicKeyInfo, signedBytes };
}

/** A request for a certificate of this name and SPIFFE ID, signed by `sign`. */
export async function encodeCertificationRequest(
  { subject, spiffeId, publicKeyInfo }: { readonly subject: Uint8Array; readonly spiffeId: string; readonly publicKeyInfo: Uint8Array },
  scheme: SignatureScheme,
  sign: (data: Uint8Array) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const names = encodeSequence(encodeIa5String(spiffeId, contextTag(6)));
  const extensions = encodeSequence(encodeSequence(SUBJECT_ALT_NAME, encodeOctetString(names)));
  const attributes = encodeSequence(EXTENSION_REQUEST, encodeSetOf(extensions));
  const info = encodeSequence(encodeInteger(0), subject, publicKeyInfo, encodeElement(constructedContextTag(0), attributes));
  return encodeSigned(info, scheme, await sign(info));
}
