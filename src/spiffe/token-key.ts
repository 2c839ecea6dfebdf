/** Public keys that sign tokens, as JWKs (RFC 7517), and the algorithms that they serve (RFC 7518 §3.3–3.5). */
import { constants, createPublicKey, type KeyObject, type SigningOptions } from "node:crypto";
import { isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";
import { MIN_RSA_BITS, traitsOf } from "./certificate-signature.ts";

export type TokenAlgorithm = "RS256" | "RS384" | "RS512" | "ES256" | "ES384" | "ES512" | "PS256" | "PS384" | "PS512";

interface AlgorithmEntry {
  readonly hash: "sha256" | "sha384" | "sha512";
  /** Undefined for what `node:crypto` does unasked: PKCS #1 v1.5, and DER for ECDSA. Asking costs as much as a third of a verification. */
  readonly options?: SigningOptions;
  /** Undefined for RSA. */
  readonly curve?: Curve;
}

interface Curve {
  /** OpenSSL's name. */
  readonly name: string;
  /** Of each of the two numbers of a signature. */
  readonly coordinateBytes: number;
}

const ecdsa = (name: string, coordinateBytes: number, hash: AlgorithmEntry["hash"]): AlgorithmEntry => ({
  hash,
  curve: { name, coordinateBytes },
});
const rsa = (hash: AlgorithmEntry["hash"]): AlgorithmEntry => ({ hash });
const pss = (hash: AlgorithmEntry["hash"]): AlgorithmEntry => ({
  hash,
  options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
});

/** The allow-list of JWT-SVID §2.1 and WIT-SVID §2.3. */
export const TOKEN_ALGORITHMS: ReadonlyMap<string, AlgorithmEntry> = new Map<TokenAlgorithm, AlgorithmEntry>([
  ["RS256", rsa("sha256")],
  ["RS384", rsa("sha384")],
  ["RS512", rsa("sha512")],
  ["ES256", ecdsa("prime256v1", 32, "sha256")],
  ["ES384", ecdsa("secp384r1", 48, "sha384")],
  ["ES512", ecdsa("secp521r1", 66, "sha512")],
  ["PS256", pss("sha256")],
  ["PS384", pss("sha384")],
  ["PS512", pss("sha512")],
]);

export const isTokenAlgorithm = (value: JsonValue | undefined): value is TokenAlgorithm =>
  typeof value === "string" && TOKEN_ALGORITHMS.has(value);

/** A key of a bundle that signs tokens. */
export interface TokenKey {
  readonly keyId: string;
  readonly publicKey: KeyObject;
  /** The only algorithm that it is for; undefined when any that fits. */
  readonly algorithm: TokenAlgorithm | undefined;
}

/** Whether signatures of `algorithm` may be made with `key`. */
export function isFitting(key: KeyObject, algorithm: TokenAlgorithm): boolean {
  const wanted = TOKEN_ALGORITHMS.get(algorithm)?.curve?.name;
  const { type, curve, bits } = traitsOf(key);
  return wanted === undefined ? type === "rsa" && bits >= MIN_RSA_BITS : type === "ec" && curve === wanted;
}

const EC_CURVES: ReadonlySet<JsonValue | undefined> = new Set(["P-256", "P-384", "P-521"]);

/** Whether the key type is one that this folder can use: others are ignored, not refused. */
export const isKnownKeyType = ({ kty, crv }: JsonObject): boolean => kty === "RSA" || (kty === "EC" && EC_CURVES.has(crv));

/** The public key of a JWK of a known type; undefined when it is malformed or has private parts. UNTRUSTED. */
export function publicKeyOf(jwk: JsonValue | undefined): KeyObject | undefined {
  if (!isJsonObject(jwk) || !isKnownKeyType(jwk) || "d" in jwk) return undefined;
  const { kty } = jwk;
  const parameters = kty === "RSA" ? { kty, n: jwk["n"], e: jwk["e"] } : { kty, crv: jwk["crv"], x: jwk["x"], y: jwk["y"] };
  if (Object.values(parameters).some((value) => typeof value !== "string" || value.length > MAX_PARAMETER_CHARACTERS)) return undefined;
  try {
    return createPublicKey({ format: "jwk", key: parameters as Record<string, string> });
  } catch {
    // Not a point on its curve, or not base64url: the caller says which key it was.
    return undefined;
  }
}

/** RSA with 16384 bits. */
const MAX_PARAMETER_CHARACTERS = 2732;

/** The JWK of a public key, with members in a fixed order. Throws a TypeError when tokens cannot be signed with such a key. */
export function jwkOf(publicKey: KeyObject | undefined): JsonObject {
  const { kty, crv, x, y, n, e } = publicKey?.export({ format: "jwk" }) ?? {};
  if (kty === "RSA" && n !== undefined && e !== undefined) return { kty, n, e };
  if (kty === "EC" && crv !== undefined && x !== undefined && y !== undefined) return { kty, crv, x, y };
  throw new TypeError(`expected a key of type RSA or EC, got ${kty ?? "another"}`);
}
