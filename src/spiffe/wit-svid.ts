/**
 * WIT-SVIDs: tokens that are bound to a key of the workload. They are worthless without a proof that the sender holds that key, so
 * verification takes the proof as an argument: there is no way to forget it.
 */
import type { KeyObject } from "node:crypto";
import { isJsonObject, type JsonObject } from "../lib/json.ts";
import { ok, type Result } from "../lib/result.ts";
import type { BundleSource } from "./bundle-source.ts";
import {
  type CompactJws,
  checkTimes,
  parseCompactJws,
  type RemoteTokenSigner,
  signatureProblem,
  signCompactJws,
  signCompactJwsRemotely,
  subjectOf,
  type TokenClock,
  type TokenSigner,
} from "./compact-jws.ts";
import { refuse, type SpiffeError, shown, shownValue } from "./spiffe-error.ts";
import { type SpiffeId, trustDomainOf } from "./spiffe-id.ts";
import { isFitting, isTokenAlgorithm, jwkOf, publicKeyOf, type TokenAlgorithm } from "./token-key.ts";

/** The workload's own key, of which the sender must prove possession. */
export interface ConfirmationKey {
  readonly publicKey: KeyObject;
  readonly algorithm: TokenAlgorithm;
}

export interface WitSvid {
  readonly id: SpiffeId;
  readonly confirmation: ConfirmationKey;
  readonly expiresAtMs: number;
  readonly claims: JsonObject;
  readonly token: string;
}

export interface WitExpectation extends TokenClock {
  /**
   * Whether the request at hand is signed with the key (WIMSE proof token, HTTP signature, …). Called last, with a token that is right in
   * itself. It must bind the proof to the request; `jti` of the token is no protection against replay (WIT-SVID §3.3).
   */
  readonly provesPossession: (key: ConfirmationKey, svid: WitSvid) => boolean;
}

/** The identity that a token and its proof of possession prove at `nowMs`. UNTRUSTED. */
export function verifyWitSvid(token: string, bundles: BundleSource, expected: WitExpectation): Result<WitSvid, SpiffeError> {
  const parsed = parseCompactJws(token, "wit");
  if (!parsed.ok) return parsed;
  const svid = readClaims(parsed.value, expected);
  if (!svid.ok) return svid;
  const domain = trustDomainOf(svid.value.id);
  const keys = bundles.bundleOf(domain)?.witKeys;
  if (keys === undefined || keys.size === 0)
    return refuse("wit-trust-domain", `no key for WITs is known in the trust domain ${shown(domain)}`);
  const problem = signatureProblem(parsed.value, "wit", keys);
  if (problem !== undefined) return { ok: false, error: problem };
  if (expected.provesPossession(svid.value.confirmation, svid.value) !== true)
    return refuse("wit-possession", "the sender has not proved that it holds the key of the token");
  return svid;
}

/**
 * What a token says about itself, which counts only for who has it from its own agent: signature and possession are not looked at. Never a
 * proof of identity.
 */
export function parseUnverifiedWitSvid(token: string, clock: TokenClock): Result<WitSvid, SpiffeError> {
  const parsed = parseCompactJws(token, "wit");
  return parsed.ok ? readClaims(parsed.value, clock) : parsed;
}

function readClaims(jws: CompactJws, clock: TokenClock): Result<WitSvid, SpiffeError> {
  const { header, claims, keyId, token } = jws;
  // Unknown members are ignored, but whoever names them critical must not be.
  if (header["crit"] !== undefined) return refuse("wit-header", "the header has crit");
  if (keyId === undefined || keyId === "") return refuse("wit-key-id", "expected a kid");
  if (header["typ"] !== "wit+jwt") return refuse("wit-type", `expected \`wit+jwt\` in typ, got ${shownValue(header["typ"])}`);
  const id = subjectOf(jws, "wit");
  if (!id.ok) return id;
  if (claims["aud"] !== undefined) return refuse("wit-audience", "the token has an aud, which a WIT must not have");
  const confirmation = confirmationOf(claims);
  if (confirmation === undefined) return refuse("wit-confirmation", "expected a public JWK with an allowed alg that fits it in cnf");
  const times = checkTimes(jws, "wit", clock);
  if (!times.ok) return times;
  return ok({ id: id.value, confirmation, expiresAtMs: times.value.expiresAtMs, claims, token });
}

function confirmationOf({ cnf }: JsonObject): ConfirmationKey | undefined {
  const jwk = isJsonObject(cnf) ? cnf["jwk"] : undefined;
  const publicKey = publicKeyOf(jwk);
  if (!isJsonObject(jwk) || publicKey === undefined) return undefined;
  const { alg } = jwk;
  return isTokenAlgorithm(alg) && isFitting(publicKey, alg) ? { publicKey, algorithm: alg } : undefined;
}

export interface WitSvidContent {
  readonly id: SpiffeId;
  readonly confirmation: ConfirmationKey;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  /** Unique, for audits. */
  readonly tokenId?: string;
}

/** A WIT-SVID. Throws a RangeError or TypeError on a content that no validator would accept. */
export const signWitSvid = (content: WitSvidContent, signer: TokenSigner): string => signCompactJws("wit+jwt", witClaims(content), signer);

/** As `signWitSvid`, by a key that is elsewhere. */
export const signWitSvidRemotely = async (content: WitSvidContent, signer: RemoteTokenSigner): Promise<string> =>
  signCompactJwsRemotely("wit+jwt", witClaims(content), signer);

function witClaims({ id, confirmation, issuedAtMs, expiresAtMs, tokenId }: WitSvidContent): JsonObject {
  if (!(expiresAtMs > issuedAtMs)) throw new RangeError("expected `expiresAtMs` after `issuedAtMs`");
  if (confirmation.publicKey.type !== "public") throw new TypeError("expected a public key in `confirmation`");
  if (!isFitting(confirmation.publicKey, confirmation.algorithm))
    throw new TypeError("expected a `confirmation` whose key fits its algorithm");
  const cnf = { jwk: { ...jwkOf(confirmation.publicKey), alg: confirmation.algorithm } };
  const times = { iat: Math.floor(issuedAtMs / 1000), exp: Math.floor(expiresAtMs / 1000) };
  return { cnf, ...times, ...(tokenId === undefined ? {} : { jti: tokenId }), sub: id };
}
