/**
 * JWS in compact serialization (RFC 7515 §7.1) with the claims of a JWT: what JWT-SVIDs and WIT-SVIDs have in common.
 * Everything is strict: canonical base64url, JSON without duplicate names, one allow-list of algorithms.
 */
import { type KeyObject, sign, verify } from "node:crypto";
import { derOfPlainSignature, plainSignatureOf } from "../lib/ecdsa-signature.ts";
import { encodeJson, isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";
import { ok, type Result } from "../lib/result.ts";
import { parseStrictJson } from "../lib/strict-json.ts";
import { refuse, SpiffeError, shown, shownValue } from "./spiffe-error.ts";
import { parseSpiffeId, pathOf, type SpiffeId } from "./spiffe-id.ts";
import { isFitting, isTokenAlgorithm, TOKEN_ALGORITHMS, type TokenAlgorithm, type TokenKey } from "./token-key.ts";

/** Which SVID a token is to be: rules are named after it. */
export type TokenKind = "jwt" | "wit";

export const MAX_TOKEN_BYTES: number = 16 * 1024;
/** Clock differences that are forgiven unless the caller says otherwise; and the most that may be. */
export const DEFAULT_LEEWAY_SECONDS = 10;
export const MAX_LEEWAY_SECONDS = 60;

/** A token whose form is right. Its claims are UNTRUSTED until the signature is verified. */
export interface CompactJws {
  readonly token: string;
  readonly algorithm: TokenAlgorithm;
  readonly keyId: string | undefined;
  readonly header: JsonObject;
  readonly claims: JsonObject;
}

/** The token of exactly this text. UNTRUSTED. Not checked: header members besides `alg` and `kid`, claims, signature. */
export function parseCompactJws(token: string, kind: TokenKind): Result<CompactJws, SpiffeError> {
  if (token.length > MAX_TOKEN_BYTES)
    return refuse(`${kind}-serialization`, `expected at most ${MAX_TOKEN_BYTES} bytes of token, got ${token.length}`);
  const parts = token.split(".", 4);
  const [headerPart, claimsPart, signaturePart] = parts.map(decodeBase64Url);
  if (parts.length !== 3 || headerPart === undefined || claimsPart === undefined || signaturePart === undefined)
    return refuse(`${kind}-serialization`, "expected three parts of base64url without padding, joined by dots");
  const header = readObject(headerPart);
  if (header === undefined) return refuse(`${kind}-header`, "the header is not a JSON object with distinct names");
  const { alg, kid } = header;
  if (!isTokenAlgorithm(alg)) return refuse(`${kind}-algorithm`, `expected RS, ES or PS with 256, 384 or 512, got ${shownValue(alg)}`);
  if (kid !== undefined && typeof kid !== "string") return refuse(`${kind}-key-id`, "kid is not text");
  const claims = readObject(claimsPart);
  if (claims === undefined) return refuse(`${kind}-claims`, "the claims are not a JSON object with distinct names");
  return ok({ token, algorithm: alg, keyId: kid, header, claims });
}

function decodeBase64Url(part: string): Uint8Array | undefined {
  const bytes = Buffer.from(part, "base64url");
  return bytes.toString("base64url") === part ? bytes : undefined;
}

function readObject(bytes: Uint8Array): JsonObject | undefined {
  const json = parseStrictJson(bytes);
  return json.ok && isJsonObject(json.value) ? json.value : undefined;
}

/** The workload that a token speaks of. */
export function subjectOf({ claims }: CompactJws, kind: TokenKind): Result<SpiffeId, SpiffeError> {
  const { sub } = claims;
  if (typeof sub !== "string") return refuse(`${kind}-subject`, "expected a SPIFFE ID in sub");
  const id = parseSpiffeId(sub);
  if (!id.ok) return refuse(`${kind}-subject`, `sub is no SPIFFE ID: ${id.error.message}`, { cause: id.error });
  return pathOf(id.value) === "" ? refuse(`${kind}-subject`, "expected a workload in sub, got a trust domain") : id;
}

export interface TokenTimes {
  readonly expiresAtMs: number;
}

/** What a Date can hold, in seconds since the epoch. */
const MAX_SECONDS = 8_640_000_000_000;
const isTime = (value: JsonValue | undefined): value is number => typeof value === "number" && Math.abs(value) <= MAX_SECONDS;

/** Checks `exp` and `nbf`, both in seconds since the epoch. Throws a RangeError on a clock that shows nothing and on a leeway outside 0 to 60 s. */
export function checkTimes(jws: CompactJws, kind: TokenKind, clock: TokenClock): Result<TokenTimes, SpiffeError> {
  const { nowMs, leewaySeconds = DEFAULT_LEEWAY_SECONDS } = clock;
  if (!(leewaySeconds >= 0 && leewaySeconds <= MAX_LEEWAY_SECONDS))
    throw new RangeError(`expected \`leewaySeconds\` from 0 to ${MAX_LEEWAY_SECONDS}, got ${leewaySeconds}`);
  if (!Number.isFinite(nowMs)) throw new RangeError(`expected the time in \`nowMs\`, got ${nowMs}`);
  const { exp, nbf } = jws.claims;
  const nowSeconds = nowMs / 1000;
  if (!isTime(exp)) return refuse(`${kind}-expiry`, "expected a number of seconds in exp");
  if (nowSeconds >= exp + leewaySeconds) return refuse(`${kind}-expiry`, `the token expired ${Math.round(nowSeconds - exp)} s ago`);
  if (nbf === undefined) return ok({ expiresAtMs: exp * 1000 });
  if (!isTime(nbf)) return refuse(`${kind}-not-before`, "expected a number of seconds in nbf");
  if (nbf > nowSeconds + leewaySeconds)
    return refuse(`${kind}-not-before`, `the token is not valid for another ${Math.round(nbf - nowSeconds)} s`, {
      hint: "compare the clocks of the two machines",
    });
  return ok({ expiresAtMs: exp * 1000 });
}

export interface TokenClock {
  readonly nowMs: number;
  /** 0 to 60; 10 unless given. */
  readonly leewaySeconds?: number;
}

/** Without `kid`, keys are tried; more would let a stranger spend our time. */
const MAX_TRIED_KEYS = 16;

/** The first thing wrong with the signature, given the keys of the trust domain of the token's subject; undefined when it is right. */
export function signatureProblem(jws: CompactJws, kind: TokenKind, keys: ReadonlyMap<string, TokenKey>): SpiffeError | undefined {
  const { algorithm, keyId } = jws;
  const named = keyId === undefined ? [...keys.values()] : [keys.get(keyId)];
  const fitting = named.filter(
    (key) => key !== undefined && isFitting(key.publicKey, algorithm) && (key.algorithm ?? algorithm) === algorithm,
  );
  if (fitting.length === 0) {
    const wanted = keyId === undefined ? "" : ` with the kid ${shown(keyId)}`;
    return new SpiffeError(`${kind}-key`, `the trust domain has no key${wanted} that fits ${algorithm}`);
  }
  // The newest keys stand last.
  const isRight = fitting.slice(-MAX_TRIED_KEYS).some((key) => key !== undefined && isSignedBy(jws, key.publicKey));
  return isRight ? undefined : new SpiffeError(`${kind}-signature`, "the signature of the token is wrong");
}

function isSignedBy({ token, algorithm }: CompactJws, key: KeyObject): boolean {
  const { hash, options, curve } = algorithmOf(algorithm);
  const end = token.lastIndexOf(".");
  const written = Buffer.from(token.slice(end + 1), "base64url");
  const signature = curve === undefined ? written : derOfPlainSignature(written, curve.coordinateBytes);
  if (signature === undefined) return false;
  return verify(hash, Buffer.from(token.slice(0, end), "ascii"), options === undefined ? key : { ...options, key }, signature);
}

/** What signs tokens. */
export interface TokenSigner {
  /** `kid` under which the public key is in the bundle. */
  readonly keyId: string;
  readonly algorithm: TokenAlgorithm;
  readonly privateKey: KeyObject;
}

/** What signs tokens with a key that is elsewhere: `sign` gives ECDSA signatures as DER, RSA ones as PKCS#1 v1.5. */
export interface RemoteTokenSigner {
  readonly keyId: string;
  readonly algorithm: "ES256" | "ES384" | "RS256";
  readonly sign: (data: Uint8Array) => Promise<Uint8Array>;
}

/** The token, with further members in its header. Throws a TypeError when the key does not fit the algorithm. */
export function signCompactJws(type: string, claims: JsonObject, signer: TokenSigner, header: JsonObject = {}): string {
  const { algorithm, privateKey } = signer;
  if (!isFitting(privateKey, algorithm)) throw new TypeError(`expected a private key that fits ${algorithm}`);
  const { hash, options, curve } = algorithmOf(algorithm);
  const input = signingInput(type, claims, signer, header);
  const signature = sign(hash, Buffer.from(input, "ascii"), options === undefined ? privateKey : { ...options, key: privateKey });
  return `${input}.${encodedSignature(signature, curve?.coordinateBytes)}`;
}

/** As `signCompactJws`, by a key service. Rejects as `sign` does. */
export async function signCompactJwsRemotely(type: string, claims: JsonObject, signer: RemoteTokenSigner): Promise<string> {
  const input = signingInput(type, claims, signer);
  const signature = await signer.sign(Buffer.from(input, "ascii"));
  return `${input}.${encodedSignature(signature, algorithmOf(signer.algorithm).curve?.coordinateBytes)}`;
}

/** `coordinateBytes`: undefined for RSA. */
function encodedSignature(signature: Uint8Array, coordinateBytes: number | undefined): string {
  const bytes = coordinateBytes === undefined ? signature : plainSignatureOf(signature, coordinateBytes);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64url");
}

function signingInput(
  type: string,
  claims: JsonObject,
  { keyId, algorithm }: Pick<TokenSigner, "keyId" | "algorithm">,
  header: JsonObject = {},
): string {
  if (keyId === "") throw new TypeError("expected a `keyId`");
  const encode = (part: JsonObject): string => Buffer.from(encodeJson(part)).toString("base64url");
  return `${encode({ ...header, alg: algorithm, kid: keyId, typ: type })}.${encode(claims)}`;
}

function algorithmOf(algorithm: TokenAlgorithm): NonNullable<ReturnType<typeof TOKEN_ALGORITHMS.get>> {
  const entry = TOKEN_ALGORITHMS.get(algorithm);
  if (entry === undefined) throw new TypeError(`unknown algorithm ${algorithm}`);
  return entry;
}
