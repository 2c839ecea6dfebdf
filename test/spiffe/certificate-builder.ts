/** Certificates for tests, right unless told otherwise: whatever can be wrong can be made wrong. */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import {
  encodeBitString,
  encodeBoolean,
  encodeElement,
  encodeExplicit,
  encodeInteger,
  encodeNamedBits,
  encodeObjectIdentifier,
  encodeOctetString,
  encodeSequence,
  encodeSetOf,
  encodeTime,
  encodeUtf8String,
} from "../../src/lib/der.ts";

export const NOW_MS: number = Date.UTC(2026, 5, 1);
const HOUR_MS = 60 * 60 * 1000;

export interface Keys {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export const newKeys = (): Keys => generateKeyPairSync("ec", { namedCurve: "P-256" });
export const spkiOf = (keys: Keys): Uint8Array => keys.publicKey.export({ type: "spki", format: "der" });
export const pkcs8Of = (keys: Keys): Uint8Array => keys.privateKey.export({ type: "pkcs8", format: "der" });

export interface Extension {
  readonly oid: string;
  readonly isCritical?: boolean;
  readonly value: Uint8Array;
}

export interface CertificateDraft {
  readonly subject: string;
  readonly issuer: string;
  readonly keys: Keys;
  readonly signer: Keys;
  readonly extensions: readonly Extension[];
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  readonly version?: number;
  readonly algorithm?: Uint8Array;
  /** ECDSA with SHA-256 by the signer unless given. */
  readonly signWith?: (signedBytes: Uint8Array) => Uint8Array;
}

const ECDSA_SHA256 = encodeSequence(encodeObjectIdentifier("1.2.840.10045.4.3.2"));

const nameOf = (name: string): Uint8Array =>
  name === "" ? encodeSequence() : encodeSequence(encodeSetOf(encodeSequence(encodeObjectIdentifier("2.5.4.3"), encodeUtf8String(name))));

const encodeExtension = ({ oid, isCritical = false, value }: Extension): Uint8Array =>
  encodeSequence(encodeObjectIdentifier(oid), ...(isCritical ? [encodeBoolean(true)] : []), encodeOctetString(value));

export function buildCertificate(draft: CertificateDraft): Uint8Array {
  const {
    version = 2,
    notBeforeMs = NOW_MS - HOUR_MS,
    notAfterMs = NOW_MS + HOUR_MS,
    algorithm = ECDSA_SHA256,
    extensions,
    signer,
  } = draft;
  const signWith = draft.signWith ?? ((bytes: Uint8Array): Uint8Array => sign("sha256", bytes, signer.privateKey));
  const body = encodeSequence(
    ...(version === 0 ? [] : [encodeExplicit(0, encodeInteger(version))]),
    encodeInteger(4711),
    algorithm,
    nameOf(draft.issuer),
    encodeSequence(encodeTime(notBeforeMs), encodeTime(notAfterMs)),
    nameOf(draft.subject),
    spkiOf(draft.keys),
    ...(extensions.length === 0 ? [] : [encodeExplicit(3, encodeSequence(...extensions.map(encodeExtension)))]),
  );
  return encodeSequence(body, algorithm, encodeBitString(signWith(body)));
}

export const basicConstraints = (isAuthority: boolean, pathLength?: number): Extension => ({
  oid: "2.5.29.19",
  isCritical: true,
  value: encodeSequence(...(isAuthority ? [encodeBoolean(true)] : []), ...(pathLength === undefined ? [] : [encodeInteger(pathLength)])),
});
export const keyUsage = (bits: readonly number[], isCritical = true): Extension => ({
  oid: "2.5.29.15",
  isCritical,
  value: encodeNamedBits(bits),
});
const USAGES = { serverAuth: "1.3.6.1.5.5.7.3.1", clientAuth: "1.3.6.1.5.5.7.3.2" } as const;
export const extendedKeyUsage = (usages: readonly (keyof typeof USAGES)[]): Extension => ({
  oid: "2.5.29.37",
  value: encodeSequence(...usages.map((usage) => encodeObjectIdentifier(USAGES[usage]))),
});
export const uriName = (uri: string): Uint8Array => encodeElement(0x86, Buffer.from(uri, "latin1"));
export const dnsName = (name: string): Uint8Array => encodeElement(0x82, Buffer.from(name, "latin1"));
export const alternativeNames = (names: readonly Uint8Array[], isCritical = true): Extension => ({
  oid: "2.5.29.17",
  isCritical,
  value: encodeSequence(...names),
});
export const nameConstraints = (permitted: readonly Uint8Array[], excluded: readonly Uint8Array[] = []): Extension => ({
  oid: "2.5.29.30",
  isCritical: true,
  value: encodeSequence(
    ...[permitted, excluded].flatMap((names, index) =>
      names.length === 0 ? [] : [encodeExplicit(index, ...names.map((name) => encodeSequence(name)))],
    ),
  ),
});

export const DIGITAL_SIGNATURE = 0;
export const KEY_CERT_SIGN = 5;
export const CRL_SIGN = 6;

export interface Authority {
  readonly name: string;
  readonly keys: Keys;
  readonly der: Uint8Array;
}

/** A self-signed authority, or one below `issuer`. */
export function buildAuthority(name: string, id: string, options: Partial<CertificateDraft> = {}, issuer?: Authority): Authority {
  const keys = options.keys ?? newKeys();
  const der = buildCertificate({
    subject: name,
    issuer: issuer?.name ?? name,
    keys,
    signer: issuer?.keys ?? keys,
    extensions: [basicConstraints(true), keyUsage([KEY_CERT_SIGN, CRL_SIGN]), alternativeNames([uriName(id)], false)],
    ...options,
  });
  return { name, keys, der };
}

const LEAF_KEYS = newKeys();

/** The extensions of a good leaf, by what they say; a test replaces one. */
const LEAF_EXTENSIONS: Readonly<Record<string, Extension>> = {
  basicConstraints: basicConstraints(false),
  keyUsage: keyUsage([DIGITAL_SIGNATURE]),
  extendedKeyUsage: extendedKeyUsage(["serverAuth", "clientAuth"]),
  names: alternativeNames([uriName("spiffe://a.test/web"), dnsName("web.a.test")]),
};

export function buildLeaf(issuer: Authority, options: Partial<CertificateDraft> & { readonly replace?: object } = {}): Uint8Array {
  const { replace, ...draft } = options;
  const extensions: readonly (Extension | undefined)[] = Object.values({ ...LEAF_EXTENSIONS, ...replace });
  return buildCertificate({
    subject: "",
    issuer: issuer.name,
    keys: LEAF_KEYS,
    signer: issuer.keys,
    extensions: extensions.filter((extension) => extension !== undefined),
    ...draft,
  });
}

/** The keys of `buildLeaf`'s certificates. */
export const leafKeys: Keys = LEAF_KEYS;
