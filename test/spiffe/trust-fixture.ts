/** Two trust domains with authorities and token keys, and what their workloads hold. */
import { createPublicKey, sign } from "node:crypto";
import { encodeJson, type JsonObject } from "../../src/lib/json.ts";
import type { Result } from "../../src/lib/result.ts";
import { type TrustBundle, trustBundleOf } from "../../src/spiffe/bundle.ts";
import { type BundleMap, createBundleMap } from "../../src/spiffe/bundle-map.ts";
import type { TokenSigner } from "../../src/spiffe/compact-jws.ts";
import type { JwtExpectation } from "../../src/spiffe/jwt-svid.ts";
import { parseSpiffeId, parseTrustDomain, type SpiffeId, type TrustDomain } from "../../src/spiffe/spiffe-id.ts";
import { jwkOf } from "../../src/spiffe/token-key.ts";
import { type Authority, buildAuthority, NOW_MS, newKeys } from "./certificate-builder.ts";

/** The value of a result that a test knows to be good. */
export function expectOk<T>(result: Result<T, Error>): T {
  if (!result.ok) throw result.error;
  return result.value;
}

export const idOf = (text: string): SpiffeId => expectOk(parseSpiffeId(text));
export const domainOf = (name: string): TrustDomain => expectOk(parseTrustDomain(name));
export const jsonBytes = (json: JsonObject | readonly JsonObject[]): Uint8Array => Buffer.from(encodeJson(json));

export const newSigner = (keyId: string): TokenSigner => ({ keyId, algorithm: "ES256", privateKey: newKeys().privateKey });

export const jwkOfSigner = (use: string, { keyId, privateKey }: TokenSigner): JsonObject => ({
  use,
  kid: keyId,
  ...jwkOf(createPublicKey(privateKey)),
});
export const jwkOfAuthority = ({ keys, der }: Authority): JsonObject => ({
  use: "x509-svid",
  ...jwkOf(keys.publicKey),
  x5c: [Buffer.from(der).toString("base64")],
});

export interface Trust {
  readonly domain: TrustDomain;
  readonly authority: Authority;
  readonly jwtSigner: TokenSigner;
  readonly witSigner: TokenSigner;
  readonly bundle: TrustBundle;
}

export function createTrust(name: string): Trust {
  const domain = domainOf(name);
  const authority = buildAuthority(`authority of ${name}`, `spiffe://${name}`);
  const [jwtSigner, witSigner] = [newSigner("jwt-1"), newSigner("wit-1")];
  const keys = [jwkOfAuthority(authority), jwkOfSigner("jwt-svid", jwtSigner), jwkOfSigner("wit-svid", witSigner)];
  return { domain, authority, jwtSigner, witSigner, bundle: expectOk(trustBundleOf({ keys }, domain)) };
}

export const a: Trust = createTrust("a.test");
export const b: Trust = createTrust("b.test");
export const bundles: BundleMap = createBundleMap([a.bundle, b.bundle]);

export const NOW_SECONDS: number = NOW_MS / 1000;
export const JWT_CLAIMS: JsonObject = { sub: "spiffe://a.test/web", aud: "db", exp: NOW_SECONDS + 300 };
/** What `verifyJwtSvid` expects in tests. */
export const EXPECTED: JwtExpectation = { nowMs: NOW_MS, audiences: ["db"] };

/** A token of any header and claims with a right ES256 signature. */
export function signedToken(header: JsonObject, claims: JsonObject, { privateKey }: TokenSigner): string {
  const input = [header, claims].map((part) => Buffer.from(encodeJson(part)).toString("base64url")).join(".");
  return `${input}.${sign("sha256", Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}
