/**
 * The checklist of the SPIFFE specifications, row by row. Every rule is provoked (the type of `BROKEN` demands it), and every row that asks
 * to accept something is shown to accept it.
 */
import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import {
  alternativeNames,
  basicConstraints,
  buildAuthority,
  buildLeaf,
  CRL_SIGN,
  DIGITAL_SIGNATURE,
  dnsName,
  extendedKeyUsage,
  KEY_CERT_SIGN,
  keyUsage,
  leafKeys,
  NOW_MS,
  nameConstraints,
  newKeys,
  pkcs8Of,
  uriName,
} from "../../test/spiffe/certificate-builder.ts";
import {
  a,
  b,
  bundles,
  domainOf,
  EXPECTED,
  expectOk,
  idOf,
  JWT_CLAIMS,
  jsonBytes,
  jwkOfAuthority,
  jwkOfSigner,
  NOW_SECONDS,
  newSigner,
  signedToken,
} from "../../test/spiffe/trust-fixture.ts";
import { encodeElement, encodeNull, encodeObjectIdentifier, encodeSequence } from "../lib/der.ts";
import type { JsonObject } from "../lib/json.ts";
import type { Result } from "../lib/result.ts";
import { jsonOfJwtBundle, jsonOfTrustBundle, parseTrustBundle } from "./bundle.ts";
import { createBundleMap, parseBundleMap } from "./bundle-map.ts";
import { parseEndpointAddress } from "./endpoint-address.ts";
import {
  followRedirect,
  parseFederationEndpoint,
  publicationLeadMs,
  refreshIntervalMs,
  succeedBundle,
  verifyFederationServer,
} from "./federation.ts";
import { JWTBundlesResponseSchema, X509BundlesResponseSchema, X509SVIDResponseSchema } from "./generated/spiffe/workload_pb.ts";
import { signJwtSvid, verifyJwtSvid } from "./jwt-svid.ts";
import { SPIFFE_RULES, type SpiffeRule } from "./rule.ts";
import type { SpiffeError } from "./spiffe-error.ts";
import { parseSpiffeId, parseTrustDomain } from "./spiffe-id.ts";
import { signWitSvid, verifyWitSvid } from "./wit-svid.ts";
import { readJwtBundles, readX509Bundles, readX509Update } from "./workload-api/update.ts";
import { parseX509Svid, verifyX509Svid } from "./x509-svid.ts";

type Attempt = () => Result<unknown, SpiffeError>;

const peer = (...chain: readonly Uint8Array[]): ReturnType<typeof verifyX509Svid> => verifyX509Svid(chain, bundles, { nowMs: NOW_MS });
/** The certificate with some octets, in hex, replaced by as many others. */
const replaced = (der: Uint8Array, some: string, others: string): Uint8Array => {
  const hex = Buffer.from(der).toString("hex");
  expect(hex).toContain(some);
  return Buffer.from(hex.replace(some, others), "hex");
};
const leafWith = (replace: object): ReturnType<typeof peer> => peer(buildLeaf(a.authority, { replace, subject: "web" }));
/** A good leaf below an intermediate of trust domain a, made with the given options. */
function below(options: Parameters<typeof buildAuthority>[2], id = "spiffe://a.test"): ReturnType<typeof peer> {
  const intermediate = buildAuthority("intermediate", id, options, a.authority);
  return peer(buildLeaf(intermediate), intermediate.der);
}
const authorityExtensions = (usage = keyUsage([KEY_CERT_SIGN])): { extensions: ReturnType<typeof keyUsage>[] } => ({
  extensions: [basicConstraints(true), usage],
});

const jwt = (claims: JsonObject, header: JsonObject = {}, signer = a.jwtSigner): ReturnType<typeof verifyJwtSvid> =>
  verifyJwtSvid(signedToken({ alg: "ES256", kid: signer.keyId, ...header }, { ...JWT_CLAIMS, ...claims }, signer), bundles, EXPECTED);

const NOTHING = new Uint8Array(0);
/** An identity as the Workload API sends it. */
const fetched = {
  spiffeId: "spiffe://a.test/web",
  x509Svid: buildLeaf(a.authority),
  x509SvidKey: pkcs8Of(leafKeys),
  bundle: a.authority.der,
};

const workload = newSigner("workload");
const WIT_CLAIMS: JsonObject = {
  sub: "spiffe://a.test/web",
  exp: NOW_SECONDS + 300,
  cnf: { jwk: { ...withoutKid(jwkOfSigner("sig", workload)), alg: "ES256" } },
};
function withoutKid({ kid: _, use: __, ...jwk }: JsonObject): JsonObject {
  return jwk;
}
const wit = (claims: JsonObject, header: JsonObject = {}, provesPossession = (): boolean => true): ReturnType<typeof verifyWitSvid> =>
  verifyWitSvid(
    signedToken({ alg: "ES256", kid: "wit-1", typ: "wit+jwt", ...header }, { ...WIT_CLAIMS, ...claims }, a.witSigner),
    bundles,
    { nowMs: NOW_MS, provesPossession },
  );
const without = (claims: JsonObject, name: string): JsonObject =>
  Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name));
const jwtOfClaims = (claims: JsonObject): ReturnType<typeof verifyJwtSvid> =>
  verifyJwtSvid(signedToken({ alg: "ES256", kid: "jwt-1" }, claims, a.jwtSigner), bundles, EXPECTED);
const witOfClaims = (claims: JsonObject): ReturnType<typeof verifyWitSvid> =>
  verifyWitSvid(signedToken({ alg: "ES256", kid: "wit-1", typ: "wit+jwt" }, claims, a.witSigner), bundles, {
    nowMs: NOW_MS,
    provesPossession: () => true,
  });

const bundle = (json: JsonObject): ReturnType<typeof parseTrustBundle> => parseTrustBundle(jsonBytes(json), a.domain);
const bundleText = (text: string): ReturnType<typeof parseTrustBundle> => parseTrustBundle(Buffer.from(text), a.domain);
const endpoint = { profile: "https_spiffe", trustDomain: "a.test", url: "https://a.test/bundle", serverId: "spiffe://a.test/bundles" };
const spiffeEndpoint = { profile: "https_spiffe", trustDomain: a.domain, url: endpoint.url, serverId: idOf(endpoint.serverId) } as const;
const unsignedToken = (header: JsonObject): string => `${Buffer.from(JSON.stringify(header)).toString("base64url")}.e30.`;
const malleable = (token: string): string => token.slice(0, -4) + (token.endsWith("AAAA") ? "BBBB" : "AAAA");
const goodJwt = signedToken({ alg: "ES256", kid: "jwt-1" }, JWT_CLAIMS, a.jwtSigner);
const goodWit = signedToken({ alg: "ES256", kid: "wit-1", typ: "wit+jwt" }, WIT_CLAIMS, a.witSigner);
const witOf = (token: string): ReturnType<typeof verifyWitSvid> =>
  verifyWitSvid(token, bundles, { nowMs: NOW_MS, provesPossession: () => true });
const jwtOf = (token: string): ReturnType<typeof verifyJwtSvid> => verifyJwtSvid(token, bundles, EXPECTED);
const noBundles = createBundleMap([]);

/** A leaf of an authority that is in the bundle of a, with these extensions. */
function belowAnchor(extensions: readonly ReturnType<typeof keyUsage>[]): ReturnType<typeof peer> {
  const anchor = buildAuthority("anchor", "spiffe://a.test", { extensions });
  const trusted = createBundleMap([expectOk(bundle({ keys: [jwkOfAuthority(anchor)] }))]);
  return verifyX509Svid([buildLeaf(anchor)], trusted, { nowMs: NOW_MS });
}

const ids = (...texts: readonly string[]): readonly Attempt[] => texts.map((text) => () => parseSpiffeId(text));

/** The row of the checklist that a rule belongs to, and inputs that break it. */
const BROKEN: Readonly<Record<SpiffeRule, readonly [row: number, attempts: readonly Attempt[]]>> = {
  "id-scheme": [
    1,
    ids(
      "",
      "SPIFFE://a.test/x",
      "Spiffe://a.test/x",
      "http://a.test/x",
      "spiffe:/a.test",
      "spiffe:a.test",
      " spiffe://a.test/x",
      "//a.test/x",
    ),
  ],
  "id-query": [1, ids("spiffe://a.test/x?y=1", "spiffe://a.test?y", "spiffe://a.test/x#y", "spiffe://a.test#")],
  "trust-domain-empty": [2, [...ids("spiffe://", "spiffe:///x"), () => parseTrustDomain("")]],
  "trust-domain-authority": [
    2,
    ids(
      "spiffe://a.test:8443/x",
      "spiffe://a.test:/x",
      "spiffe://user@a.test/x",
      "spiffe://user:pass@a.test/x",
      "spiffe://[::1]/x".replace("[", ""),
    ),
  ],
  "trust-domain-character": [
    3,
    [
      ...ids(
        "spiffe://A.test/x",
        "spiffe://a%2etest/x",
        "spiffe://[::1]/x",
        "spiffe://ä.test/x",
        "spiffe://a.test\\x",
        "spiffe://a test/x",
      ),
      () => parseTrustDomain("spiffe/x"),
    ],
  ],
  "path-segment": [
    4,
    ids(
      "spiffe://a.test/",
      "spiffe://a.test//",
      "spiffe://a.test//x",
      "spiffe://a.test/x//y",
      "spiffe://a.test/x/",
      "spiffe://a.test/./x",
      "spiffe://a.test/x/..",
      "spiffe://a.test/../x",
    ),
  ],
  "path-character": [
    4,
    ids(
      "spiffe://a.test/%2e",
      "spiffe://a.test/a b",
      "spiffe://a.test/a:b",
      "spiffe://a.test/ü",
      "spiffe://a.test/a\\b",
      "spiffe://a.test/a\0",
      "spiffe://a.test/a\n",
    ),
  ],
  "id-length": [
    5,
    [...ids(`spiffe://a.test/${"x".repeat(2033)}`, `spiffe://${"a".repeat(256)}/x`), () => parseTrustDomain("a".repeat(256))],
  ],

  "x509-one-uri": [
    8,
    [
      () => leafWith({ names: alternativeNames([uriName("spiffe://a.test/web"), uriName("spiffe://a.test/other")]) }),
      () => leafWith({ names: alternativeNames([uriName("spiffe://a.test/web"), uriName("https://a.test/")]) }),
      () => leafWith({ names: alternativeNames([dnsName("web.a.test")]) }),
      () => leafWith({ names: undefined }),
    ],
  ],
  "x509-leaf-path": [9, [() => leafWith({ names: alternativeNames([uriName("spiffe://a.test")]) })]],
  "x509-san-critical": [
    10,
    [() => peer(buildLeaf(a.authority, { replace: { names: alternativeNames([uriName("spiffe://a.test/web")], false) } }))],
  ],
  "x509-authority-ca": [
    11,
    [
      () => below({ extensions: [basicConstraints(false), keyUsage([KEY_CERT_SIGN])] }),
      () => below({ extensions: [keyUsage([KEY_CERT_SIGN])] }),
      () => belowAnchor([basicConstraints(false)]),
      () => belowAnchor([]),
    ],
  ],
  "x509-authority-key-cert-sign": [
    11,
    [() => below(authorityExtensions(keyUsage([CRL_SIGN]))), () => belowAnchor([basicConstraints(true), keyUsage([CRL_SIGN])])],
  ],
  "x509-authority-id": [11, [() => below({}, "spiffe://a.test/authority")]],
  "x509-leaf-ca": [12, [() => leafWith({ basicConstraints: basicConstraints(true) }), () => peer(a.authority.der)]],
  "x509-name-constraints": [
    13,
    [
      () => below({ extensions: [...authorityExtensions().extensions, nameConstraints([uriName("b.test")])] }),
      () => below({ extensions: [...authorityExtensions().extensions, nameConstraints([], [uriName("a.test")])] }),
      () => below({ extensions: [...authorityExtensions().extensions, nameConstraints([dnsName("b.test")])] }),
      () => below({ extensions: [...authorityExtensions().extensions, nameConstraints([uriName(".a.test")])] }),
      () => below({ extensions: [...authorityExtensions().extensions, nameConstraints([], [uriName("")])] }),
      // On names with a network mask: not judged, so not trusted where such a name stands.
      () => {
        const address = encodeElement(0x87, Buffer.of(127, 0, 0, 1));
        const masked = encodeElement(0x87, Buffer.of(127, 0, 0, 0, 255, 0, 0, 0));
        const extensions = [...authorityExtensions().extensions, nameConstraints([masked])];
        const intermediate = buildAuthority("intermediate", "spiffe://a.test", { extensions }, a.authority);
        const names = alternativeNames([uriName("spiffe://a.test/web"), address]);
        return peer(buildLeaf(intermediate, { replace: { names } }), intermediate.der);
      },
    ],
  ],
  "x509-key-usage": [
    14,
    [
      () => leafWith({ keyUsage: undefined }),
      () => leafWith({ keyUsage: keyUsage([DIGITAL_SIGNATURE], false) }),
      () => below({ extensions: [basicConstraints(true)] }),
      () => below(authorityExtensions(keyUsage([KEY_CERT_SIGN], false))),
    ],
  ],
  "x509-leaf-digital-signature": [14, [() => leafWith({ keyUsage: keyUsage([2]) })]],
  "x509-leaf-signs": [
    14,
    [
      () => leafWith({ keyUsage: keyUsage([DIGITAL_SIGNATURE, KEY_CERT_SIGN]) }),
      () => leafWith({ keyUsage: keyUsage([DIGITAL_SIGNATURE, CRL_SIGN]) }),
    ],
  ],
  "x509-extended-key-usage": [
    15,
    [
      () => leafWith({ extendedKeyUsage: extendedKeyUsage(["serverAuth"]) }),
      () => leafWith({ extendedKeyUsage: extendedKeyUsage(["clientAuth"]) }),
    ],
  ],
  "x509-encoding": [
    16,
    [
      () => peer(new Uint8Array(0)),
      () => peer(buildLeaf(a.authority).subarray(0, 100)),
      () => peer(Buffer.concat([buildLeaf(a.authority), Buffer.of(0)])),
      () => peer(buildLeaf(a.authority, { version: 0 })),
      () => leafWith({ again: keyUsage([DIGITAL_SIGNATURE]) }),
      () => leafWith({ names: alternativeNames([uriName("spiffe://a.test/web"), encodeElement(0xc2, Buffer.from("web"))]) }),
      () => leafWith({ names: alternativeNames([uriName("spiffe://a.test/web"), encodeElement(0x89, Buffer.from("web"))]) }),
      // Names of other kinds that have not their form: otherName, directoryName, registeredID.
      () => leafWith({ names: alternativeNames([uriName("spiffe://a.test/web"), encodeElement(0xa0, Buffer.from([2, 1, 2]))]) }),
      () => leafWith({ names: alternativeNames([uriName("spiffe://a.test/web"), encodeElement(0xa4, Buffer.from([2, 1, 2]))]) }),
      () => leafWith({ names: alternativeNames([uriName("spiffe://a.test/web"), encodeElement(0x88, Buffer.from([0x80, 1]))]) }),
      () => peer(replaced(buildLeaf(a.authority), "06072a8648ce3d0201", "04072a8648ce3d0201")),
      () => peer(replaced(buildLeaf(a.authority), "0603550403", "0403550403")),
    ],
  ],
  "x509-validity": [
    16,
    [
      () => peer(buildLeaf(a.authority, { notAfterMs: NOW_MS - 1000 })),
      () => peer(buildLeaf(a.authority, { notBeforeMs: NOW_MS + 60_000 })),
      () => below({ notAfterMs: NOW_MS - 1000 }),
    ],
  ],
  "x509-issuer": [
    16,
    [
      () => peer(buildLeaf({ ...a.authority, name: "stranger" })),
      // A certificate of trust domain a, signed by the authority of b.
      () => peer(buildLeaf(b.authority)),
      () => peer(buildLeaf(b.authority), b.authority.der),
    ],
  ],
  "x509-signature": [16, [() => peer(buildLeaf({ ...b.authority, name: a.authority.name }))]],
  "x509-algorithm": [
    16,
    [
      () => peer(buildLeaf(a.authority, { algorithm: encodeSequence(encodeObjectIdentifier("1.2.840.10045.4.1")) })),
      () => peer(buildLeaf(a.authority, { algorithm: encodeSequence(encodeObjectIdentifier("1.2.840.113549.1.1.11"), encodeNull()) })),
    ],
  ],
  "x509-path-length": [
    16,
    [
      () => {
        const upper = buildAuthority(
          "upper",
          "spiffe://a.test",
          { extensions: [basicConstraints(true, 0), keyUsage([KEY_CERT_SIGN])] },
          a.authority,
        );
        const lower = buildAuthority("lower", "spiffe://a.test", {}, upper);
        return peer(buildLeaf(lower), upper.der, lower.der);
      },
    ],
  ],
  "x509-critical-extension": [
    16,
    [
      () => leafWith({ unknown: { oid: "1.3.6.1.4.1.99999.1", isCritical: true, value: encodeNull() } }),
      () => below({ extensions: [...authorityExtensions().extensions, { oid: "2.5.29.36", isCritical: true, value: encodeSequence() }] }),
    ],
  ],
  "x509-chain-limit": [16, [() => peer(), () => peer(...Array.from({ length: 17 }, () => buildLeaf(a.authority)))]],
  "x509-private-key": [
    9,
    [() => parseX509Svid(buildLeaf(a.authority), pkcs8Of(newKeys())), () => parseX509Svid(buildLeaf(a.authority), new Uint8Array(7))],
  ],
  "x509-trust-domain": [
    19,
    [
      () => verifyX509Svid([buildLeaf(a.authority)], noBundles, { nowMs: NOW_MS }),
      () => verifyX509Svid([buildLeaf(a.authority)], createBundleMap([expectOk(bundle({ keys: [] }))]), { nowMs: NOW_MS }),
    ],
  ],

  "jwt-serialization": [
    20,
    [
      () => jwtOf(""),
      () => jwtOf("a.b"),
      () => jwtOf(`${goodJwt}.e30`),
      () => jwtOf(`${goodJwt}=`),
      () => jwtOf(`{"payload":"${goodJwt}"}`),
      () => jwtOf("x".repeat(20_000)),
    ],
  ],
  "jwt-header": [
    21,
    [() => jwt({}, { jku: "https://b.test/keys" }), () => jwt({}, { crit: ["x"] }), () => jwt({}, { x5c: [] }), () => jwtOf("W10.e30.")],
  ],
  "jwt-algorithm": [
    22,
    [
      () => jwtOf(unsignedToken({ alg: "none" })),
      () => jwtOf(unsignedToken({ alg: "HS256" })),
      () => jwtOf(unsignedToken({ alg: "EdDSA" })),
      () => jwtOf(unsignedToken({ alg: "es256" })),
      () => jwtOf(unsignedToken({ alg: { toString: 1 } })),
      () => jwtOf(unsignedToken({})),
    ],
  ],
  "jwt-key-id": [23, [() => jwt({}, { kid: 1 })]],
  "jwt-type": [24, [() => jwt({}, { typ: "jwt" }), () => jwt({}, { typ: "wit+jwt" }), () => jwt({}, { typ: { toString: 1 } })]],
  "jwt-subject": [
    25,
    [
      () => jwtOfClaims(without(JWT_CLAIMS, "sub")),
      () => jwt({ sub: "web" }),
      () => jwt({ sub: "spiffe://a.test" }),
      () => jwt({ sub: 1 }),
    ],
  ],
  "jwt-audience": [
    26,
    [
      () => jwtOfClaims(without(JWT_CLAIMS, "aud")),
      () => jwt({ aud: [] }),
      () => jwt({ aud: "" }),
      () => jwt({ aud: ["db", 1] }),
      () => jwt({ aud: "other" }),
      () => jwt({ aud: ["DB", "d"] }),
    ],
  ],
  "jwt-expiry": [
    27,
    [
      () => jwtOfClaims(without(JWT_CLAIMS, "exp")),
      () => jwt({ exp: NOW_SECONDS - 10 }),
      () => jwt({ exp: NOW_SECONDS - 60 }),
      () => jwt({ exp: "soon" }),
      () => jwt({ exp: 1e300 }),
    ],
  ],
  "jwt-not-before": [28, [() => jwt({ nbf: NOW_SECONDS + 60 }), () => jwt({ nbf: "now" })]],
  "jwt-claims": [
    28,
    [
      () => jwtOf(`${goodJwt.split(".")[0]}.W10.`),
      () => jwtOf(`${goodJwt.split(".")[0]}.${Buffer.from('{"sub":1,"sub":2}').toString("base64url")}.`),
    ],
  ],
  "jwt-signature": [
    28,
    [
      () => jwtOf(malleable(goodJwt)),
      () => jwtOf(`${goodJwt.split(".").slice(0, 2).join(".")}.`),
      () => jwt({}, {}, { ...b.jwtSigner, keyId: "jwt-1" }),
    ],
  ],
  "jwt-key": [
    30,
    [
      () => jwt({}, { kid: "jwt-9" }),
      () => jwt({}, { kid: "wit-1" }, a.witSigner),
      () => jwt({}, { alg: "RS256" }),
      () => jwt({}, { alg: "ES384" }),
    ],
  ],
  "jwt-trust-domain": [30, [() => jwt({ sub: "spiffe://c.test/web" }), () => verifyJwtSvid(goodJwt, noBundles, EXPECTED)]],

  "wit-serialization": [31, [() => witOf(""), () => witOf(`${goodWit}.`)]],
  "wit-header": [28, [() => wit({}, { crit: ["exp"] }), () => witOf("W10.e30.")]],
  "wit-algorithm": [31, [() => witOf(unsignedToken({ alg: "none", typ: "wit+jwt" })), () => witOf(unsignedToken({ alg: "EdDSA" }))]],
  "wit-key-id": [
    31,
    [
      () => wit({}, { kid: "" }),
      () => wit({}, { kid: 7 }),
      () => witOf(signedToken({ alg: "ES256", typ: "wit+jwt" }, WIT_CLAIMS, a.witSigner)),
    ],
  ],
  "wit-type": [31, [() => wit({}, { typ: "JWT" }), () => wit({}, { typ: "WIT+JWT" })]],
  "wit-claims": [32, [() => witOf(`${goodWit.split(".")[0]}.MQ.`)]],
  "wit-subject": [32, [() => witOfClaims(without(WIT_CLAIMS, "sub")), () => wit({ sub: "spiffe://a.test" })]],
  "wit-confirmation": [
    32,
    [
      () => witOfClaims(without(WIT_CLAIMS, "cnf")),
      () => wit({ cnf: { jwk: { kty: "EC" } } }),
      () => wit({ cnf: { jwk: withoutKid(jwkOfSigner("sig", workload)) } }),
      () => wit({ cnf: { jwk: { ...withoutKid(jwkOfSigner("sig", workload)), alg: "HS256" } } }),
      () => wit({ cnf: { jwk: { ...withoutKid(jwkOfSigner("sig", workload)), alg: "ES384" } } }),
    ],
  ],
  "wit-expiry": [32, [() => witOfClaims(without(WIT_CLAIMS, "exp")), () => wit({ exp: NOW_SECONDS - 60 })]],
  "wit-not-before": [32, [() => wit({ nbf: NOW_SECONDS + 60 })]],
  "wit-audience": [32, [() => wit({ aud: "db" })]],
  "wit-trust-domain": [30, [() => wit({ sub: "spiffe://c.test/web" })]],
  "wit-key": [34, [() => wit({}, { kid: "jwt-1" })]],
  "wit-signature": [31, [() => witOf(malleable(goodWit))]],
  "wit-possession": [33, [() => wit({}, {}, () => false)]],

  "bundle-key-id": [
    29,
    [
      () => bundle({ keys: [without(jwkOfSigner("jwt-svid", a.jwtSigner), "kid")] }),
      () => bundle({ keys: [{ ...jwkOfSigner("wit-svid", a.jwtSigner), kid: "" }] }),
    ],
  ],
  "bundle-key-id-unique": [
    34,
    [() => bundle({ keys: [jwkOfSigner("jwt-svid", newSigner("same")), jwkOfSigner("wit-svid", newSigner("same"))] })],
  ],
  "bundle-sequence": [
    35,
    [
      () => bundle({ keys: [], spiffe_sequence: -1 }),
      () => bundle({ keys: [], spiffe_sequence: 1.5 }),
      () => bundle({ keys: [], spiffe_sequence: "1" }),
      () => bundleText('{"keys":[],"spiffe_sequence":18446744073709551616}'),
    ],
  ],
  "bundle-superseded": [
    35,
    [() => succeedBundle(expectOk(bundle({ keys: [], spiffe_sequence: 8 })), expectOk(bundle({ keys: [], spiffe_sequence: 7 })))],
  ],
  "bundle-refresh-hint": [
    36,
    [
      () => bundle({ keys: [], spiffe_refresh_hint: -1 }),
      () => bundle({ keys: [], spiffe_refresh_hint: 0.5 }),
      () => bundle({ keys: [], spiffe_refresh_hint: "60" }),
    ],
  ],
  "bundle-keys": [37, [() => bundle({}), () => bundle({ keys: {} }), () => bundle({ keys: null }), () => bundle({ keys: [1] })]],
  "bundle-key": [
    38,
    [
      () => bundle({ keys: [{ ...jwkOfSigner("jwt-svid", a.jwtSigner), x: "AAAA" }] }),
      () => bundle({ keys: [{ ...jwkOfSigner("jwt-svid", a.jwtSigner), d: "AAAA" }] }),
    ],
  ],
  "bundle-certificate": [
    19,
    [
      () => bundle({ keys: [{ ...jwkOfAuthority(a.authority), x5c: ["AAAA"] }] }),
      () => bundle({ keys: [{ ...jwkOfAuthority(a.authority), x5c: ["*"] }] }),
      () => bundle({ keys: [{ ...jwkOfAuthority(a.authority), x5c: [7] }] }),
    ],
  ],
  "bundle-map": [
    39,
    [
      () => parseBundleMap(jsonBytes({})),
      () => parseBundleMap(jsonBytes({ trust_domains: [] })),
      () => parseBundleMap(jsonBytes({ trust_domains: { "a.test": [] } })),
    ],
  ],
  "bundle-duplicate-name": [
    39,
    [
      () => parseBundleMap(Buffer.from('{"trust_domains":{"a.test":{"keys":[]},"a.test":{"keys":[]}}}')),
      () => parseBundleMap(Buffer.from('{"trust_domains":{"a.test":{"keys":[]},"a\\u002etest":{"keys":[]}}}')),
      () => bundleText('{"keys":[],"keys":[]}'),
    ],
  ],
  "bundle-encoding": [
    44,
    [
      () => bundleText("[]"),
      () => bundleText("{"),
      () => bundleText(""),
      () => parseTrustBundle(Buffer.from([0x7b, 0xff, 0x7d]), a.domain),
      () => bundleText(`{"keys":[${"{},".repeat(1024)}{}]}`),
    ],
  ],

  "federation-parameters": [
    43,
    [
      () => parseFederationEndpoint({ ...endpoint, trustDomain: undefined }),
      () => parseFederationEndpoint({ ...endpoint, url: undefined }),
      () => parseFederationEndpoint({ ...endpoint, profile: undefined }),
      () => parseFederationEndpoint({ ...endpoint, profile: "http_web" }),
      () => parseFederationEndpoint({ ...endpoint, serverId: undefined }),
      () => parseFederationEndpoint({ ...endpoint, serverId: "spiffe://a.test" }),
      () => parseFederationEndpoint({ ...endpoint, profile: "https_web" }),
    ],
  ],
  "federation-url": [
    44,
    [
      "http://a.test/",
      "https://user@a.test/",
      "https://@a.test/",
      "https:///x",
      "a.test",
      "https://a.test\\@b.test/",
      "https://a.test:99999/",
    ].map((url) => () => parseFederationEndpoint({ ...endpoint, url })),
  ],
  "federation-server": [45, [() => verifyFederationServer(spiffeEndpoint, [buildLeaf(a.authority)], bundles, { nowMs: NOW_MS })]],
  "federation-redirect": [
    46,
    ["http://a.test/", "https://user@a.test/", "ftp://a.test/", "//user@a.test/x", "//b.test/x", "https://"].map(
      (to) => () => followRedirect(endpoint.url, to),
    ),
  ],

  "workload-api-mandatory": [
    57,
    [
      () => readX509Update(create(X509SVIDResponseSchema, {})),
      ...["spiffeId", "x509Svid", "x509SvidKey", "bundle"].map(
        (field) => () =>
          readX509Update(create(X509SVIDResponseSchema, { svids: [{ ...fetched, [field]: field === "spiffeId" ? "" : NOTHING }] })),
      ),
      () => readX509Update(create(X509SVIDResponseSchema, { svids: Array.from({ length: 1025 }, () => fetched) })),
      () => readX509Bundles(create(X509BundlesResponseSchema, {})),
      () => readJwtBundles(create(JWTBundlesResponseSchema, {})),
    ],
  ],
  "workload-api-id": [
    54,
    [
      () => readX509Update(create(X509SVIDResponseSchema, { svids: [{ ...fetched, spiffeId: "spiffe://a.test/other" }] })),
      () => readX509Bundles(create(X509BundlesResponseSchema, { bundles: { "spiffe://a.test/path": a.authority.der } })),
    ],
  ],
  "endpoint-address": [
    49,
    [
      "",
      "/run/a.sock",
      "unix:a.sock",
      "unix://run/a.sock",
      "unix:///",
      "unix:///a?b",
      "unix:///a#b",
      "unix://user@/a",
      "tcp://localhost:1",
      "tcp://127.0.0.1",
      "tcp://127.0.0.1:0",
      "tcp://127.0.0.1:65536",
      "tcp://127.0.0.1:1/",
      "tcp://127.0.0.1:1?x",
      "tcp://::1:80",
      "tcp://[127.0.0.1]:80",
      "http://127.0.0.1:1",
    ].map((text) => () => parseEndpointAddress(text)),
  ],
};

const rows = Object.entries(BROKEN).flatMap(([rule, [row, attempts]]) =>
  attempts.map((attempt, index) => ({ row, rule: rule as SpiffeRule, number: index + 1, attempt })),
);

test.each(rows.sort((left, right) => left.row - right.row))("row $row, $rule is refused ($number)", ({ rule, attempt }) => {
  const result = attempt();
  expect(result.ok ? "accepted" : result.error).toMatchObject({ rule, section: SPIFFE_RULES[rule].section, code: SPIFFE_RULES[rule].code });
});

const noWeb: Attempt = () => parseFederationEndpoint({ profile: "https_web", trustDomain: "a.test", url: "https://a.test/bundle" });

/** What must be accepted, by row. */
const ACCEPTED: readonly (readonly [row: number, what: string, attempt: Attempt])[] = [
  [1, "an ID", () => parseSpiffeId("spiffe://a.test/web")],
  [3, "a trust domain that looks like an address", () => parseSpiffeId("spiffe://10.0.0.1/web")],
  [3, "a trust domain that is no DNS name", () => parseSpiffeId("spiffe://-_..a/web")],
  [4, "three dots and a hidden name", () => parseSpiffeId("spiffe://a.test/.../.x/..y/A-Z_09")],
  [4, "an ID without a path", () => parseSpiffeId("spiffe://a.test")],
  [5, "2048 bytes", () => parseSpiffeId(`spiffe://a.test/${"x".repeat(2032)}`)],
  [5, "255 bytes of trust domain", () => parseTrustDomain("a".repeat(255))],
  [
    8,
    "other names beside the URI",
    () => leafWith({ names: alternativeNames([dnsName("x"), uriName("spiffe://a.test/web"), dnsName("y")]) }),
  ],
  [
    8,
    "names of other kinds beside the URI",
    // otherName 1.2.3 with an INTEGER, a directoryName without parts, and registeredID 1.2.3.
    () =>
      leafWith({
        names: alternativeNames([
          uriName("spiffe://a.test/web"),
          encodeElement(0xa0, Buffer.from([6, 2, 0x2a, 3, 0xa0, 3, 2, 1, 2])),
          encodeElement(0xa4, Buffer.from([0x30, 0])),
          encodeElement(0x88, Buffer.from([0x2a, 3])),
        ]),
      }),
  ],
  [
    10,
    "names that are not critical beside a subject",
    () => leafWith({ names: alternativeNames([uriName("spiffe://a.test/web")], false) }),
  ],
  [11, "an authority without an ID", () => below(authorityExtensions())],
  [11, "an authority with the slash of the specification's example", () => below({}, "spiffe://a.test/")],
  [12, "an authority with room below it", () => below({ extensions: [basicConstraints(true, 0), keyUsage([KEY_CERT_SIGN])] })],
  [
    13,
    "a leaf within URI constraints",
    () => below({ extensions: [...authorityExtensions().extensions, nameConstraints([uriName("a.test")])] }),
  ],
  [
    13,
    "a leaf within DNS constraints",
    () => below({ extensions: [...authorityExtensions().extensions, nameConstraints([dnsName("a.test")], [dnsName("b.test")])] }),
  ],
  [14, "keyEncipherment and keyAgreement", () => leafWith({ keyUsage: keyUsage([DIGITAL_SIGNATURE, 2, 4]) })],
  [15, "a leaf without extended key usage", () => leafWith({ extendedKeyUsage: undefined })],
  [16, "a leaf of an authority", () => peer(buildLeaf(a.authority))],
  [16, "a chain with the authority itself", () => peer(buildLeaf(a.authority), a.authority.der)],
  [16, "an unknown extension that is not critical", () => leafWith({ unknown: { oid: "1.3.6.1.4.1.99999.1", value: encodeNull() } })],
  [14, "an authority of the bundle without key usage", () => belowAnchor([basicConstraints(true)])],
  [16, "one's own chain and key", () => parseX509Svid(buildLeaf(a.authority), pkcs8Of(leafKeys))],
  [23, "a token without kid", () => jwtOf(signedToken({ alg: "ES256" }, JWT_CLAIMS, a.jwtSigner))],
  [24, "typ JWT", () => jwt({}, { typ: "JWT" })],
  [24, "typ JOSE", () => jwt({}, { typ: "JOSE" })],
  [26, "a list of audiences", () => jwt({ aud: ["other", "db"] })],
  [27, "an expiry within the leeway", () => jwt({ exp: NOW_SECONDS - 9 })],
  [28, "nbf within the leeway", () => jwt({ nbf: NOW_SECONDS + 9.5 })],
  [
    31,
    "a token that this folder signed",
    () =>
      jwtOf(
        signJwtSvid({ id: idOf("spiffe://a.test/web"), audience: ["db"], issuedAtMs: NOW_MS, expiresAtMs: NOW_MS + 1000 }, a.jwtSigner),
      ),
  ],
  [32, "an unknown claim and header of a WIT", () => wit({ jti: "1", more: true }, { extra: 1 })],
  [
    32,
    "a WIT that this folder signed",
    () =>
      witOf(
        signWitSvid(
          {
            id: idOf("spiffe://a.test/web"),
            confirmation: { publicKey: leafKeys.publicKey, algorithm: "ES256" },
            issuedAtMs: NOW_MS,
            expiresAtMs: NOW_MS + 1000,
          },
          a.witSigner,
        ),
      ),
  ],
  [42, "both profiles", () => (parseFederationEndpoint(endpoint).ok ? noWeb() : parseFederationEndpoint(endpoint))],
  [
    45,
    "the configured server",
    () =>
      verifyFederationServer({ ...spiffeEndpoint, serverId: idOf("spiffe://a.test/web") }, [buildLeaf(a.authority)], bundles, {
        nowMs: NOW_MS,
      }),
  ],
  [46, "a redirect to another https URL", () => followRedirect(endpoint.url, "https://b.test:8443/x?y")],
  [46, "a relative redirect", () => followRedirect(endpoint.url, "/other")],
  [
    49,
    "sockets and addresses",
    () =>
      ["unix:///run/a.sock", "unix:/run/a.sock", "tcp://127.0.0.1:8000", "tcp://[::1]:8000"]
        .map((text) => parseEndpointAddress(text))
        .find((result) => !result.ok) ?? parseEndpointAddress("unix:///a"),
  ],
];

test.each(ACCEPTED)("row %i accepts %s", (_, __, attempt) => {
  const result = attempt();
  expect(result.ok ? undefined : result.error).toBeUndefined();
});

describe("rows that say what is read and written", () => {
  test("row 7: what a URL parser would repair is refused", () => {
    for (const text of [
      "spiffe://A.test/x",
      "spiffe://a.test/x/../y",
      "spiffe://a.test/%41",
      "spiffe://a.test/x ",
      "\tspiffe://a.test/x",
      "spiffe:\\\\a.test\\x",
    ]) {
      expect(parseSpiffeId(text).ok, text).toBe(false);
    }
  });

  test("row 18: authorities are published with their use and one certificate, without kid", () => {
    const { keys } = jsonOfTrustBundle(a.bundle) as { keys: JsonObject[] };
    const [authority] = keys;
    expect(authority).toMatchObject({ use: "x509-svid", kty: "EC", x5c: [Buffer.from(a.authority.der).toString("base64")] });
    expect(authority).not.toHaveProperty("kid");
  });

  test("row 19: entries without x5c are ignored, further values too", () => {
    const entry = jwkOfAuthority(a.authority);
    const keys = [without(entry, "x5c"), { ...entry, x5c: [] }, { ...entry, x5c: [...(entry["x5c"] as string[]), "not a certificate"] }];
    expect(expectOk(bundle({ keys })).x509Authorities.map(({ der }) => Buffer.from(der))).toEqual([Buffer.from(a.authority.der)]);
  });

  test("row 29: token keys are published with use and kid", () => {
    const { keys } = jsonOfTrustBundle(a.bundle) as { keys: JsonObject[] };
    expect(keys.slice(1).map(({ use, kid }) => [use, kid])).toEqual([
      ["jwt-svid", "jwt-1"],
      ["wit-svid", "wit-1"],
    ]);
  });

  test("row 35: sequence numbers have 64 bits", () => {
    expect(expectOk(bundleText('{"keys":[],"spiffe_sequence":18446744073709551615}')).sequence).toBe(2n ** 64n - 1n);
  });

  test("row 36: the refresh hint is in seconds, five minutes without one", () => {
    expect(refreshIntervalMs(expectOk(bundle({ keys: [], spiffe_refresh_hint: 60 })))).toBe(60_000);
    expect(refreshIntervalMs(expectOk(bundle({ keys: [] })))).toBe(300_000);
  });

  test("row 37: an empty list of keys revokes everything", () => {
    const empty = createBundleMap([expectOk(bundle({ keys: [] }))]);
    expect(verifyX509Svid([buildLeaf(a.authority)], empty, { nowMs: NOW_MS }).ok).toBe(false);
    expect(verifyJwtSvid(goodJwt, empty, EXPECTED).ok).toBe(false);
  });

  test("row 38: keys of unknown type or use, or without use, are ignored", () => {
    const jwk = jwkOfSigner("jwt-svid", a.jwtSigner);
    const keys = [
      { ...jwk, use: "x" },
      without(jwk, "use"),
      { ...jwk, use: "JWT-SVID" },
      { ...jwk, kty: "OKP" },
      { ...jwk, kty: 1 },
      { ...jwk, crv: "secp256k1" },
    ];
    expect(expectOk(bundle({ keys })).jwtKeys.size).toBe(0);
  });

  test("row 39: refresh hints inside of a bundle map are ignored", () => {
    const map = expectOk(parseBundleMap(jsonBytes({ trust_domains: { "a.test": { keys: [], spiffe_refresh_hint: "no number" } } })));
    expect(map.bundleOf(a.domain)).not.toHaveProperty("refreshHintSeconds");
  });

  test("row 40: keys are published three to five refresh hints ahead", () => {
    expect(publicationLeadMs(60)).toBeGreaterThanOrEqual(180_000);
    expect(publicationLeadMs(60)).toBeLessThanOrEqual(300_000);
  });

  test("row 41: bundles of two trust domains are never merged, nor one put in the place of another", () => {
    expect(() => succeedBundle(a.bundle, b.bundle)).toThrow(RangeError);
    expect(() => createBundleMap([a.bundle, a.bundle])).toThrow(RangeError);
    expect(bundles.bundleOf(domainOf("a.test"))).toBe(a.bundle);
  });

  test("row 45: an endpoint that serves its own domain is verified with the latest bundle", () => {
    const next = buildAuthority("next authority", "spiffe://a.test");
    const latest = expectOk(succeedBundle(a.bundle, expectOk(bundle({ keys: [jwkOfAuthority(next)] }))));
    const server = { ...spiffeEndpoint, serverId: idOf("spiffe://a.test/web") };
    const verify = (leaf: Uint8Array): boolean => verifyFederationServer(server, [leaf], createBundleMap([latest]), { nowMs: NOW_MS }).ok;
    expect([verify(buildLeaf(next)), verify(buildLeaf(a.authority))]).toEqual([true, false]);
  });

  test("row 47: the interval is the same after a failure, and never short", () => {
    expect(refreshIntervalMs(undefined)).toBe(300_000);
    expect(refreshIntervalMs({ refreshHintSeconds: 0 })).toBeGreaterThanOrEqual(10_000);
  });

  test("row 60: a JWT bundle has JWT keys only", () => {
    expect((jsonOfJwtBundle(a.bundle) as { keys: JsonObject[] }).keys.map(({ kid }) => kid)).toEqual(["jwt-1"]);
  });
});
