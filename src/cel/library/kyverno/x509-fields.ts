/** Parts that X.509 certificates and requests have in common (RFC 5280, RFC 2986), named and shaped as Go's crypto/x509 writes them as JSON. */
import { contextTag, TAG } from "../../../lib/der.ts";
import { type DerReader, readDer } from "../../../lib/der-reader.ts";
import { formatIpAddress } from "../../../lib/ip-network.ts";
import type { CelValue } from "../../value.ts";

export type Fields = Readonly<Record<string, CelValue>>;

export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");

/** Reads DER that is inside of DER. Throws what the outer reader catches. */
export function readInner<T>(bytes: Uint8Array, read: (reader: DerReader) => T): T {
  const inner = readDer(bytes, read);
  if (!inner.ok) throw inner.error;
  return inner.value;
}

const arcs = (dotted: string): readonly number[] => dotted.split(".").map(Number);
/** Go has no empty lists here. */
const orNull = <T>(values: readonly T[]): readonly T[] | null => (values.length === 0 ? null : values);

const LIST_ATTRIBUTES: ReadonlyMap<string, string> = new Map([
  ["Country", "2.5.4.6"],
  ["Organization", "2.5.4.10"],
  ["OrganizationalUnit", "2.5.4.11"],
  ["Locality", "2.5.4.7"],
  ["Province", "2.5.4.8"],
  ["StreetAddress", "2.5.4.9"],
  ["PostalCode", "2.5.4.17"],
]);
const TEXT_ATTRIBUTES: ReadonlyMap<string, string> = new Map([
  ["SerialNumber", "2.5.4.5"],
  ["CommonName", "2.5.4.3"],
]);

/** A distinguished name. */
export function readName(reader: DerReader): Fields {
  const attributes = reader
    .sequenceOf((names) => names.setOf((set) => set.sequence((pair) => ({ oid: pair.oid(), value: pair.text() }))))
    .flat();
  const values = (oid: string): readonly string[] => attributes.filter((attribute) => attribute.oid === oid).map(({ value }) => value);
  return {
    ...Object.fromEntries([...LIST_ATTRIBUTES].map(([name, oid]) => [name, orNull(values(oid))])),
    ...Object.fromEntries([...TEXT_ATTRIBUTES].map(([name, oid]) => [name, values(oid).at(-1) ?? ""])),
    Names: attributes.map(({ oid, value }) => ({ Type: arcs(oid), Value: value })),
    ExtraNames: null,
  };
}

const RSA_ENCRYPTION = "1.2.840.113549.1.1.1";

/** The RSA key in a SubjectPublicKeyInfo; undefined for a key of another kind. */
export function readRsaKey(reader: DerReader): Fields | undefined {
  return reader.sequence((info) => {
    const algorithm = info.sequence((identifier) => {
      const oid = identifier.oid();
      identifier.rest((parameters) => parameters.element());
      return oid;
    });
    const key = info.bitString();
    if (algorithm !== RSA_ENCRYPTION) return undefined;
    return readInner(key, (inner) => inner.sequence((numbers) => ({ N: String(numbers.integer()), E: Number(numbers.integer()) })));
  });
}

export interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

export const readExtension = (reader: DerReader): Extension =>
  reader.sequence((extension) => ({
    oid: extension.oid(),
    critical: extension.nextTag === TAG.boolean && extension.boolean(),
    value: extension.octetString(),
  }));

export const extensionList = (extensions: readonly Extension[]): CelValue =>
  orNull(extensions.map(({ oid, critical, value }) => ({ Id: arcs(oid), Critical: critical, Value: base64(value) })));

const [EMAIL, DNS_NAME, URI, IP_ADDRESS] = [1, 2, 6, 7].map(contextTag);

/** The texts of the general names of one kind; other kinds are skipped. */
const namesOf = (reader: DerReader, tag: number | undefined, toText: (content: Uint8Array) => string = latin1): readonly string[] =>
  reader.rest((names) => names.element()).flatMap((name) => (name.tag === tag ? [toText(name.content)] : []));

const latin1 = (content: Uint8Array): string => Buffer.from(content).toString("latin1");

/** DNSNames, EmailAddresses and IPAddresses, of subjectAltName. */
export function alternativeNames(extensions: readonly Extension[]): Fields {
  const names = (tag: number | undefined, toText?: (content: Uint8Array) => string): CelValue =>
    orNull(valuesOf(extensions, "2.5.29.17", (reader) => reader.sequence((inner) => namesOf(inner, tag, toText))).flat());
  return { DNSNames: names(DNS_NAME), EmailAddresses: names(EMAIL), IPAddresses: names(IP_ADDRESS, formatIpAddress) };
}

/** What `read` makes of the extensions of one kind: none or one of a proper certificate. */
const valuesOf = <T>(extensions: readonly Extension[], oid: string, read: (reader: DerReader) => T): readonly T[] =>
  extensions.filter((extension) => extension.oid === oid).map(({ value }) => readInner(value, read));

/** In the order of Go's constants, which are their numbers. */
const KEY_PURPOSES = [
  "2.5.29.37.0",
  "1.3.6.1.5.5.7.3.1",
  "1.3.6.1.5.5.7.3.2",
  "1.3.6.1.5.5.7.3.3",
  "1.3.6.1.5.5.7.3.4",
  "1.3.6.1.5.5.7.3.5",
  "1.3.6.1.5.5.7.3.6",
  "1.3.6.1.5.5.7.3.7",
  "1.3.6.1.5.5.7.3.8",
  "1.3.6.1.5.5.7.3.9",
];
const [OCSP, ISSUERS] = ["1.3.6.1.5.5.7.48.1", "1.3.6.1.5.5.7.48.2"] as const;

/** What the extensions of a certificate say of its use and of where to ask about it. */
export function certificateExtensions(extensions: readonly Extension[]): Fields {
  const [usage = []] = valuesOf(extensions, "2.5.29.15", (reader) => reader.namedBits());
  const purposes = valuesOf(extensions, "2.5.29.37", (reader) => reader.sequenceOf((inner) => inner.oid())).flat();
  const [constraints] = valuesOf(extensions, "2.5.29.19", readBasicConstraints);
  const [authorityKey] = valuesOf(extensions, "2.5.29.35", (reader) =>
    reader.sequence((inner) => inner.rest((part) => part.element()).find(({ tag }) => tag === contextTag(0))?.content),
  );
  const access = valuesOf(extensions, "1.3.6.1.5.5.7.1.1", (reader) =>
    reader.sequenceOf((inner) => inner.sequence((pair) => ({ method: pair.oid(), places: namesOf(pair, URI) }))),
  ).flat();
  const places = (method: string): CelValue => orNull(access.flatMap((entry) => (entry.method === method ? entry.places : [])));
  const pathLength = constraints?.pathLength ?? (constraints === undefined ? 0 : -1);
  return {
    KeyUsage: usage.reduce((bits, bit) => bits | (1 << bit), 0),
    ExtKeyUsage: orNull(purposes.map((oid) => KEY_PURPOSES.indexOf(oid)).filter((purpose) => purpose !== -1)),
    BasicConstraintsValid: constraints !== undefined,
    IsCA: constraints?.isCa ?? false,
    MaxPathLen: pathLength,
    MaxPathLenZero: constraints?.pathLength === 0,
    AuthorityKeyId: authorityKey === undefined ? null : base64(authorityKey),
    OCSPServer: places(OCSP),
    IssuingCertificateURL: places(ISSUERS),
  };
}

const readBasicConstraints = (reader: DerReader): { isCa: boolean; pathLength: number | undefined } =>
  reader.sequence((constraints) => ({
    isCa: constraints.nextTag === TAG.boolean && constraints.boolean(),
    pathLength: constraints.nextTag === TAG.integer ? constraints.integerBetween(0, 255) : undefined,
  }));
