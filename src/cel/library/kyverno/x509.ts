import { constructedContextTag, TAG } from "../../../lib/der.ts";
import { type DerReader, readDer } from "../../../lib/der-reader.ts";
import { parsePem } from "../../../lib/pem.ts";
import type { Library } from "../../declaration.ts";
import { intOf } from "../../runtime/int64.ts";
import { formatTimestamp } from "../../runtime/timestamp.ts";
import { DYN } from "../../type.ts";
import { CelTimestamp, type CelValue } from "../../value.ts";
import { traversal } from "../cost.ts";
import { declare, fail, func, string } from "../define.ts";
import {
  alternativeNames,
  base64,
  certificateExtensions,
  type Extension,
  extensionList,
  type Fields,
  readExtension,
  readInner,
  readName,
  readRsaKey,
} from "./x509-fields.ts";

/** Go's number for RSA, the only kind of key that Kyverno decodes. */
const RSA = 1;

/** The first certificate or certificate request of a PEM text. UNTRUSTED. */
function decode(text: string): CelValue {
  const blocks = parsePem(text);
  if (!blocks.ok) return fail(blocks.error.message);
  const [block] = blocks.value;
  if (block?.label !== "CERTIFICATE" && block?.label !== "CERTIFICATE REQUEST")
    return fail("expected a certificate or a certificate request");
  const fields = readDer(block.der, (reader) =>
    block.label === "CERTIFICATE" ? readCertificate(reader, block.der) : readRequest(reader, block.der),
  );
  if (!fields.ok) return fail(`invalid certificate: ${fields.error.message}`);
  return fields.value["PublicKey"] === null ? fail("expected a certificate with an RSA key") : fields.value;
}

/** What is signed, how and by which signature: the outer form of certificates and requests. */
function readSigned(reader: DerReader): { signed: Uint8Array; signature: Uint8Array } {
  return reader.sequence((outer) => {
    const signed = outer.element(TAG.sequence).bytes;
    outer.element(TAG.sequence);
    return { signed, signature: outer.bitString() };
  });
}

function readCertificate(reader: DerReader, der: Uint8Array): Fields {
  const { signed, signature } = readSigned(reader);
  const fields = readInner(signed, (inner) => inner.sequence(readCertificateFields));
  return { Raw: base64(der), RawTBSCertificate: base64(signed), Signature: base64(signature), ...fields };
}

function readCertificateFields(reader: DerReader): Fields {
  reader.optionalExplicit(0, (version) => version.integer());
  const serial = reader.integer();
  reader.element(TAG.sequence);
  const issuer = reader.element(TAG.sequence).bytes;
  const [notBefore, notAfter] = reader.sequence((validity) => [validity.time(), validity.time()]);
  const subject = reader.element(TAG.sequence).bytes;
  const keyInfo = reader.element(TAG.sequence).bytes;
  while (!reader.isAtEnd && reader.nextTag !== constructedContextTag(3)) reader.element();
  const extensions = reader.optionalExplicit(3, (list) => list.sequenceOf(readExtension)) ?? [];
  return {
    ...keyFields(keyInfo),
    RawSubject: base64(subject),
    RawIssuer: base64(issuer),
    SerialNumber: intOf(BigInt.asIntN(64, serial)),
    Issuer: readInner(issuer, readName),
    NotBefore: timeText(notBefore),
    NotAfter: timeText(notAfter),
    Extensions: extensionList(extensions),
    ExtraExtensions: null,
    ...certificateExtensions(extensions),
    ...alternativeNames(extensions),
  };
}

const timeText = (ms: number | undefined): string => formatTimestamp(new CelTimestamp(Math.floor((ms ?? 0) / 1000), 0));

const keyFields = (keyInfo: Uint8Array): Fields => ({
  RawSubjectPublicKeyInfo: base64(keyInfo),
  PublicKeyAlgorithm: RSA,
  PublicKey: readInner(keyInfo, readRsaKey) ?? null,
});

function readRequest(reader: DerReader, der: Uint8Array): Fields {
  const { signed, signature } = readSigned(reader);
  const fields = readInner(signed, (inner) => inner.sequence(readRequestFields));
  return { Raw: base64(der), RawTBSCertificateRequest: base64(signed), Signature: base64(signature), ...fields };
}

const EXTENSION_REQUEST = "1.2.840.113549.1.9.14";

function readRequestFields(reader: DerReader): Fields {
  const version = reader.integerBetween(0, 2);
  const subject = reader.element(TAG.sequence).bytes;
  const keyInfo = reader.element(TAG.sequence).bytes;
  const attributes = reader.optionalExplicit(0, (list) => list.rest(readRequestedExtensions)) ?? [];
  const extensions = attributes.flat();
  return {
    ...keyFields(keyInfo),
    RawSubject: base64(subject),
    Version: version,
    Subject: readInner(subject, readName),
    Extensions: extensionList(extensions),
    ExtraExtensions: null,
    ...alternativeNames(extensions),
  };
}

/** The extensions that one attribute of a request asks for. */
const readRequestedExtensions = (reader: DerReader): readonly Extension[] =>
  reader.sequence((attribute) => {
    if (attribute.oid() === EXTENSION_REQUEST) return attribute.setOf((set) => set.sequenceOf(readExtension)).flat();
    attribute.rest((value) => value.element());
    return [];
  });

/** Kyverno's function for certificates. The result has the fields of Go's crypto/x509, without policies and name constraints. */
export const x509Library: Library = {
  name: "kyverno.x509",
  functions: [
    declare(
      "x509.decode",
      "The fields of a certificate or certificate request in PEM, with an RSA key.",
      func("x509_decode_string", [string], DYN, decode, traversal()),
    ),
  ],
};
