/**
 * Trust bundles (SPIFFE_Trust_Domain_and_Bundle §4): the keys of one trust domain, as a JWK Set. What the specification tells readers to
 * ignore is ignored; anything else that is wrong refuses the whole document, so that the last good bundle stays.
 */
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";
import { ok, type Result } from "../lib/result.ts";
import { parseStrictJson } from "../lib/strict-json.ts";
import { refuse, SpiffeError, shown, shownValue } from "./spiffe-error.ts";
import type { TrustDomain } from "./spiffe-id.ts";
import { isKnownKeyType, isTokenAlgorithm, jwkOf, publicKeyOf, type TokenKey } from "./token-key.ts";
import {
  parseEach,
  parseX509Certificate,
  parseX509Certificates,
  publicKeyOfCertificate,
  type X509Certificate,
} from "./x509-certificate.ts";
import { blocksOf } from "./x509-svid.ts";

/** The authorities of one trust domain. Never a mixture: a bundle of two domains would let each forge the other. */
export interface TrustBundle {
  readonly trustDomain: TrustDomain;
  readonly x509Authorities: readonly X509Certificate[];
  /** By `kid`, newest last. */
  readonly jwtKeys: ReadonlyMap<string, TokenKey>;
  readonly witKeys: ReadonlyMap<string, TokenKey>;
  /** Unsigned, 64 bits; grows with each change. */
  readonly sequence?: bigint;
  /** How often to ask for a newer bundle. */
  readonly refreshHintSeconds?: number;
}

export const MAX_BUNDLE_BYTES: number = 4 * 1024 * 1024;
const MAX_KEYS = 1024;
const MAX_SEQUENCE = 2n ** 64n - 1n;

/** The bundle of a trust domain that the caller knows by other means: the document has no name. UNTRUSTED. */
export function parseTrustBundle(json: Uint8Array, trustDomain: TrustDomain): Result<TrustBundle, SpiffeError> {
  const document = readBundleJson(json);
  return document.ok ? trustBundleOf(document.value, trustDomain) : document;
}

/** The JSON object of a document without duplicated names. */
export function readBundleJson(json: Uint8Array): Result<JsonObject, SpiffeError> {
  if (json.length > MAX_BUNDLE_BYTES) return refuse("bundle-encoding", `expected at most ${MAX_BUNDLE_BYTES} bytes, got ${json.length}`);
  const parsed = parseStrictJson(json);
  if (!parsed.ok) {
    const { code, message } = parsed.error;
    return refuse(code === "JSON_DUPLICATE_NAME" ? "bundle-duplicate-name" : "bundle-encoding", message, { cause: parsed.error });
  }
  return isJsonObject(parsed.value) ? ok(parsed.value) : refuse("bundle-encoding", "expected a JSON object");
}

/** The bundle of parsed JSON. UNTRUSTED. */
export function trustBundleOf(document: JsonObject, trustDomain: TrustDomain): Result<TrustBundle, SpiffeError> {
  const { keys, spiffe_sequence: sequence, spiffe_refresh_hint: hint } = document;
  if (!isJsonArray(keys)) return refuse("bundle-keys", `expected a list in keys, got ${shownValue(keys)}`);
  const read = readKeys(keys);
  if (!read.ok) return read;
  if (sequence !== undefined && !isSequence(sequence))
    return refuse("bundle-sequence", `expected an unsigned integer in spiffe_sequence, got ${shownValue(sequence)}`);
  if (hint !== undefined && !(typeof hint === "number" && Number.isSafeInteger(hint) && hint >= 0))
    return refuse("bundle-refresh-hint", `expected a whole number of seconds in spiffe_refresh_hint, got ${shownValue(hint)}`);
  return ok({
    trustDomain,
    ...read.value,
    ...(sequence === undefined ? {} : { sequence: BigInt(sequence) }),
    ...(hint === undefined ? {} : { refreshHintSeconds: hint }),
  });
}

const isSequence = (value: JsonValue): value is number | bigint =>
  (typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value))) && value >= 0 && value <= MAX_SEQUENCE;

interface BundleKeys {
  readonly x509Authorities: X509Certificate[];
  readonly jwtKeys: Map<string, TokenKey>;
  readonly witKeys: Map<string, TokenKey>;
}

function readKeys(entries: readonly JsonValue[]): Result<BundleKeys, SpiffeError> {
  if (entries.length > MAX_KEYS) return refuse("bundle-encoding", `expected at most ${MAX_KEYS} keys, got ${entries.length}`);
  const keys: BundleKeys = { x509Authorities: [], jwtKeys: new Map(), witKeys: new Map() };
  for (const [index, entry] of entries.entries()) {
    if (!isJsonObject(entry)) return refuse("bundle-keys", `expected an object in keys[${index}], got ${shownValue(entry)}`);
    const problem = readKey(entry, index, keys);
    if (problem !== undefined) return { ok: false, error: problem };
  }
  return ok(keys);
}

/** Adds the key where its use wants it, or nowhere. */
function readKey(jwk: JsonObject, index: number, keys: BundleKeys): SpiffeError | undefined {
  if (!isKnownKeyType(jwk)) return undefined;
  switch (jwk["use"]) {
    case "x509-svid":
      return readAuthority(jwk, index, keys);
    case "jwt-svid":
      return readTokenKey(jwk, index, keys, keys.jwtKeys);
    case "wit-svid":
      return readTokenKey(jwk, index, keys, keys.witKeys);
    default:
      return undefined;
  }
}

function readAuthority({ x5c }: JsonObject, index: number, keys: BundleKeys): SpiffeError | undefined {
  if (!isJsonArray(x5c) || x5c.length === 0) return undefined;
  const [first] = x5c;
  const der = typeof first === "string" ? Buffer.from(first, "base64") : undefined;
  if (der === undefined || der.toString("base64") !== first)
    return new SpiffeError("bundle-certificate", `expected base64 in the first value of keys[${index}].x5c`);
  const certificate = parseX509Certificate(der);
  if (certificate.ok && publicKeyOfCertificate(certificate.value) === undefined)
    return new SpiffeError("bundle-certificate", `the key of keys[${index}].x5c is of an unknown kind`);
  if (certificate.ok) keys.x509Authorities.push(certificate.value);
  else return new SpiffeError("bundle-certificate", `keys[${index}].x5c: ${certificate.error.message}`, { cause: certificate.error });
  return undefined;
}

function readTokenKey(jwk: JsonObject, index: number, keys: BundleKeys, to: Map<string, TokenKey>): SpiffeError | undefined {
  const { kid, alg } = jwk;
  if (typeof kid !== "string" || kid === "") return new SpiffeError("bundle-key-id", `expected a kid in keys[${index}]`);
  if (keys.jwtKeys.has(kid) || keys.witKeys.has(kid)) return new SpiffeError("bundle-key-id-unique", `the kid ${shown(kid)} stands twice`);
  const publicKey = publicKeyOf(jwk);
  if (publicKey === undefined) return new SpiffeError("bundle-key", `keys[${index}] is no public key`);
  if (alg !== undefined && !isTokenAlgorithm(alg)) return undefined;
  to.set(kid, { keyId: kid, publicKey, algorithm: alg });
  return undefined;
}

/**
 * The JWT keys of a plain JWK Set, as the Workload API's JWT bundles and OpenID Connect have them: keys without `use` count, keys of other
 * uses do not. UNTRUSTED.
 */
export const parseJwtBundle = (json: Uint8Array, trustDomain: TrustDomain): Result<TrustBundle, SpiffeError> =>
  parseKeySet(json, trustDomain, "jwt-svid");

/** As `parseJwtBundle`, of the keys that sign WIT-SVIDs. UNTRUSTED. */
export const parseWitBundle = (json: Uint8Array, trustDomain: TrustDomain): Result<TrustBundle, SpiffeError> =>
  parseKeySet(json, trustDomain, "wit-svid");

function parseKeySet(json: Uint8Array, trustDomain: TrustDomain, wanted: "jwt-svid" | "wit-svid"): Result<TrustBundle, SpiffeError> {
  const document = readBundleJson(json);
  if (!document.ok) return document;
  const { keys } = document.value;
  if (!isJsonArray(keys)) return refuse("bundle-keys", `expected a list in keys, got ${shownValue(keys)}`);
  const ofUse = keys.flatMap((jwk): readonly JsonValue[] => {
    if (!isJsonObject(jwk)) return [jwk];
    return [undefined, "sig", wanted].some((use) => use === jwk["use"]) ? [{ ...jwk, use: wanted }] : [];
  });
  return trustBundleOf({ keys: ofUse }, trustDomain);
}

/** The bundle of authorities in concatenated DER, as the Workload API sends them. UNTRUSTED. */
export function parseX509Bundle(concatenated: Uint8Array, trustDomain: TrustDomain): Result<TrustBundle, SpiffeError> {
  const authorities = parseX509Certificates(concatenated, MAX_KEYS);
  return authorities.ok ? x509BundleOf(authorities.value, trustDomain) : authorities;
}

/** The bundle of the certificates of a PEM text, at least one. */
export function parseX509BundlePem(pem: string, trustDomain: TrustDomain): Result<TrustBundle, SpiffeError> {
  const blocks = blocksOf(pem, "CERTIFICATE");
  if (!blocks.ok) return blocks;
  if (blocks.value.length === 0) return refuse("x509-encoding", "expected a certificate in the PEM text");
  const authorities = parseEach(blocks.value);
  return authorities.ok ? x509BundleOf(authorities.value, trustDomain) : authorities;
}

function x509BundleOf(x509Authorities: readonly X509Certificate[], trustDomain: TrustDomain): Result<TrustBundle, SpiffeError> {
  if (x509Authorities.some((authority) => publicKeyOfCertificate(authority) === undefined))
    return refuse("bundle-certificate", "the key of an authority is of an unknown kind");
  return ok({ trustDomain, x509Authorities, jwtKeys: new Map(), witKeys: new Map() });
}

/**
 * The bundle as a JSON value, ready for a bundle endpoint (X509-SVID §6.1, JWT-SVID §6.1, WIT-SVID §6.1). Throws a TypeError on an authority
 * whose key is neither RSA nor EC: readers would not know its type.
 */
export function jsonOfTrustBundle({ x509Authorities, jwtKeys, witKeys, sequence, refreshHintSeconds }: TrustBundle): JsonObject {
  return {
    ...(sequence === undefined ? {} : { spiffe_sequence: sequence }),
    ...(refreshHintSeconds === undefined ? {} : { spiffe_refresh_hint: refreshHintSeconds }),
    keys: [
      ...x509Authorities.map((authority) => ({
        use: "x509-svid",
        ...jwkOf(publicKeyOfCertificate(authority)),
        x5c: [Buffer.from(authority.der).toString("base64")],
      })),
      ...jwksOf("jwt-svid", jwtKeys),
      ...jwksOf("wit-svid", witKeys),
    ],
  };
}

/** Only the JWT keys, as a plain JWK Set: what the Workload API's JWT bundles may have (SPIFFE_Workload_API §6.2.2). */
export const jsonOfJwtBundle = ({ jwtKeys }: TrustBundle): JsonObject => ({ keys: jwksOf("jwt-svid", jwtKeys) });

const jwksOf = (use: string, keys: ReadonlyMap<string, TokenKey>): readonly JsonObject[] =>
  [...keys.values()].map(({ keyId, publicKey, algorithm }) => ({
    use,
    kid: keyId,
    ...(algorithm === undefined ? {} : { alg: algorithm }),
    ...jwkOf(publicKey),
  }));
