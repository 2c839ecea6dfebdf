/** Tokens of every broken kind open nothing, and an issuer's outage closes nothing. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer } from "node:http";
import { createServer as createHttps } from "node:https";
import { exportJWK, SignJWT, UnsecuredJWT } from "jose";
import { describe, expect, test } from "vitest";
import {
  type AccessDecision,
  AccessGate,
  type AccessGateOptions,
  jwtSvidVerifier,
  OidcIssuer,
  type OidcIssuerOptions,
  parseAccessPolicies,
  protectServer,
} from "../../src/service/access/index.ts";
import { createBundleMap } from "../../src/spiffe/bundle-map.ts";
import { signJwtSvid } from "../../src/spiffe/jwt-svid.ts";
import { parseSpiffeId } from "../../src/spiffe/spiffe-id.ts";
import { alternativeNames, buildCertificate, dnsName, extendedKeyUsage, newKeys } from "../spiffe/certificate-builder.ts";
import { expectOk } from "../spiffe/trust-fixture.ts";
import { ask } from "./access-doors.ts";
import { portOf } from "./listening.ts";
import { ANY_MOMENT, bundleOf, newAuthority } from "./trust-domain.ts";

const SELF = "spiffe://shop.test/shop";
const POLICY = `
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: own-profile }
spec:
  to: [{ spiffeId: "${SELF}" }]
  from: [{ entity: any }]
  when: claims.sub == request.params.id && tenant == "blue" && "profile:read" in permissions
`;

const authority = newAuthority("web.test");
const pemOf = (der: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString("base64").replaceAll(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
const webKeys = newKeys();
const webCertificate = pemOf(
  buildCertificate({
    subject: "localhost",
    issuer: authority.name,
    keys: webKeys,
    signer: authority.keys,
    ...ANY_MOMENT,
    extensions: [alternativeNames([dnsName("localhost")]), extendedKeyUsage(["serverAuth"])],
  }),
);

interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}
const newSigningKey = (kid: string): SigningKey => ({ kid, ...generateKeyPairSync("ec", { namedCurve: "P-256" }) });

/** An issuer that can rotate its keys, lie, and fall silent. */
class TestIssuer {
  keys: readonly SigningKey[] = [newSigningKey("one")];
  isDown = false;
  fetches = 0;
  discovery: Record<string, unknown> = {};
  url = "";

  async listen(): Promise<this> {
    const server = createHttps(
      { cert: webCertificate, key: webKeys.privateKey.export({ type: "pkcs8", format: "pem" }) },
      (request, response) => {
        void this.#answer(request.url ?? "").then((body) => response.writeHead(this.isDown ? 503 : 200).end(body));
      },
    );
    this.url = `https://localhost:${await portOf(server)}`;
    return this;
  }

  async #answer(path: string): Promise<string> {
    if (path === "/.well-known/openid-configuration")
      return JSON.stringify({ issuer: this.url, jwks_uri: `${this.url}/keys`, ...this.discovery });
    this.fetches++;
    const keys = await Promise.all(
      this.keys.map(async ({ kid, publicKey }) => ({ ...(await exportJWK(publicKey)), kid, use: "sig", alg: "ES256" })),
    );
    return JSON.stringify({ keys });
  }

  token(
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
    key: SigningKey | undefined = this.keys[0],
  ): Promise<string> {
    if (key === undefined) throw new Error("no key");
    const times = { iat: Math.floor(now / 1000), exp: Math.floor(now / 1000) + 3600 };
    return new SignJWT({ iss: this.url, sub: "ann", aud: "shop", tenant: "blue", ...times, ...claims })
      .setProtectedHeader({ alg: "ES256", kid: key.kid, ...header })
      .sign(key.privateKey, { crit: { made_up: true } });
  }
}

let now = Date.now();

async function openService(options: Partial<AccessGateOptions>): Promise<number> {
  const authorize: AccessGateOptions["authorize"] = ({ claims }) => ({
    tenant: String(claims["tenant"] ?? ""),
    permissions: ["profile:read"],
  });
  const policies = parseAccessPolicies(POLICY);
  const gate = new AccessGate({ self: SELF, policies, routes: ["GET /users/{id}"], authorize, clock: () => now, ...options });
  return portOf(
    protectServer(
      createServer((_, response) => void response.end("served")),
      gate,
    ),
  );
}

async function openWith(
  issuer: TestIssuer,
  options: Partial<OidcIssuerOptions> = {},
  gate: Partial<AccessGateOptions> = {},
): Promise<number> {
  const verifier = new OidcIssuer({
    issuer: issuer.url,
    audiences: ["shop"],
    algorithms: ["ES256"],
    authorities: pemOf(authority.der),
    ...options,
  });
  return openService({ tokens: [verifier], ...gate });
}

const statusWith = async (port: number, token: string, path = "/users/ann"): Promise<number> =>
  (await ask(port, "GET", path, `Authorization: Bearer ${token}`)).status;

const DAY_MS = 86_400_000;

describe("a token of an OpenID Connect issuer", () => {
  test("opens what the policy grants to its claims, and nothing else", async () => {
    const issuer = await new TestIssuer().listen();
    const port = await openWith(issuer);
    expect(await statusWith(port, await issuer.token())).toBe(200);
    expect(await statusWith(port, await issuer.token(), "/users/bob")).toBe(403);
    expect(await statusWith(port, await issuer.token({ tenant: "red" }))).toBe(403);
    expect(await statusWith(port, await issuer.token({ aud: ["other", "shop"] }))).toBe(200);
    expect((await ask(port, "GET", "/users/ann")).status).toBe(401);
  });

  test("of every broken kind opens nothing", async () => {
    const issuer = await new TestIssuer().listen();
    const port = await openWith(issuer);
    const seconds = Math.floor(now / 1000);
    const good = await issuer.token();
    const [head = "", body = "", signature = ""] = good.split(".");
    const other = newSigningKey("one");
    const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const hmac = new SignJWT({ iss: issuer.url, sub: "ann", aud: "shop", tenant: "blue", exp: seconds + 3600 }).setProtectedHeader({
      alg: "HS256",
      kid: "one",
    });
    const broken: Record<string, string> = {
      "not a token": "abc",
      "without a signature": `${head}.${body}.`,
      "with another body": `${head}.${encode({ iss: issuer.url, sub: "ann", aud: "shop", tenant: "blue", exp: seconds + 3600 })}.${signature}`,
      "with another header": `${encode({ alg: "ES256", kid: "two" })}.${body}.${signature}`,
      "with alg none": new UnsecuredJWT({ iss: issuer.url, sub: "ann", aud: "shop", tenant: "blue", exp: seconds + 3600 }).encode(),
      "signed with the public key as a secret": await hmac.sign(
        Buffer.from(issuer.keys[0]?.publicKey.export({ type: "spki", format: "pem" }) ?? ""),
      ),
      "of another key with a known kid": await issuer.token({}, {}, other),
      "of an unknown kid": await issuer.token({}, { kid: "unknown" }),
      "of another issuer": await issuer.token({ iss: "https://evil.test" }),
      "of the issuer with a slash": await issuer.token({ iss: `${issuer.url}/` }),
      "without an issuer": await issuer.token({ iss: undefined }),
      "for another audience": await issuer.token({ aud: "bank" }),
      "without an audience": await issuer.token({ aud: undefined }),
      "for an audience that only begins so": await issuer.token({ aud: "shopping" }),
      expired: await issuer.token({ exp: seconds - 60 }),
      "without an end": await issuer.token({ exp: undefined }),
      "with an end that is text": await issuer.token({ exp: "never" }),
      "not valid yet": await issuer.token({ nbf: seconds + 600 }),
      "without a subject": await issuer.token({ sub: undefined }),
      "with a subject that is a number": await issuer.token({ sub: 7 }),
      "with a critical header": await issuer.token({}, { crit: ["made_up"], made_up: 1 }),
      "of another type": await issuer.token({}, { typ: "secevent+jwt" }),
      "with padding": `${head}.${body}.${signature}==`,
      "too long": await issuer.token({ pad: "x".repeat(12_500) }),
    };
    const statuses: Record<string, number> = {};
    for (const [what, token] of Object.entries(broken)) statuses[what] = await statusWith(port, token);
    expect(Object.entries(statuses).filter(([, status]) => status !== 401 && status !== 431)).toEqual([]);
    expect((await ask(port, "GET", "/users/ann", "Authorization: Basic YTpi")).status).toBe(401);
    expect((await ask(port, "GET", "/users/ann", `Authorization: Bearer ${good}`, `Authorization: Bearer ${good}`)).status).toBe(400);
  });

  test("says why to the log alone", async () => {
    const issuer = await new TestIssuer().listen();
    const decisions: AccessDecision[] = [];
    const port = await openWith(issuer, {}, { onDecision: (decision) => decisions.push(decision) });
    expect(await statusWith(port, await issuer.token({ aud: "bank" }))).toBe(401);
    expect(decisions).toMatchObject([{ verdict: "deny", refusal: { kind: "token", detail: "the token is for another audience" } }]);
  });

  test("is refused when the service pins other algorithms, or its keys are those of another issuer", async () => {
    const issuer = await new TestIssuer().listen();
    expect(await statusWith(await openWith(issuer, { algorithms: ["RS256"] }), await issuer.token())).toBe(401);
    issuer.discovery = { issuer: "https://evil.test" };
    const problems: unknown[] = [];
    const port = await openWith(issuer, { onProblem: (error) => problems.push(error.code) });
    expect(await statusWith(port, await issuer.token())).toBe(401);
    expect(problems).toEqual(["SERVICE_ISSUER"]);
  });

  test("keys are fetched once for many calls, and again when they rotate, not more often than each half minute", async () => {
    const issuer = await new TestIssuer().listen();
    const port = await openWith(issuer);
    const token = await issuer.token();
    expect(new Set(await Promise.all(Array.from({ length: 20 }, () => statusWith(port, token))))).toEqual(new Set([200]));
    expect(issuer.fetches).toBe(1);
    issuer.keys = [newSigningKey("two")];
    expect(await statusWith(port, await issuer.token())).toBe(401);
    expect(issuer.fetches).toBe(1);
    now += 31_000;
    expect(await statusWith(port, await issuer.token())).toBe(200);
    expect(issuer.fetches).toBe(2);
    // The key is gone, and what it signed with it, although it was verified once.
    expect(await statusWith(port, token)).toBe(401);
  });

  test("keys stay in use while the issuer is away, for a day at most", async () => {
    const issuer = await new TestIssuer().listen();
    const problems: unknown[] = [];
    const port = await openWith(issuer, { onProblem: (error) => problems.push(error.code) });
    expect(await statusWith(port, await issuer.token())).toBe(200);
    issuer.isDown = true;
    now += DAY_MS - 60_000;
    expect(await statusWith(port, await issuer.token())).toBe(200);
    expect(problems).toEqual(["SERVICE_ISSUER"]);
    now += 2 * 60_000;
    expect(await statusWith(port, await issuer.token())).toBe(401);
    issuer.isDown = false;
    now += 31_000;
    expect(await statusWith(port, await issuer.token())).toBe(200);
  });

  test("with no outage allowed for, keys end when they are stale", async () => {
    const issuer = await new TestIssuer().listen();
    const port = await openWith(issuer, { staleIfErrorMs: 0 });
    expect(await statusWith(port, await issuer.token())).toBe(200);
    issuer.isDown = true;
    now += 11 * 60_000;
    expect(await statusWith(port, await issuer.token())).toBe(401);
  });
});

test("a call without a tenant is refused where one is required", async () => {
  const issuer = await new TestIssuer().listen();
  const decisions: AccessDecision[] = [];
  const port = await openWith(issuer, {}, { isTenantRequired: true, onDecision: (decision) => decisions.push(decision) });
  expect(await statusWith(port, await issuer.token({ tenant: "" }))).toBe(403);
  expect(decisions).toMatchObject([{ refusal: { kind: "tenant" } }]);
});

test("a JWT-SVID speaks for its workload to its audience alone", async () => {
  const key = newSigningKey("svid");
  const jwtKeys = new Map([["svid", { keyId: "svid", publicKey: key.publicKey, algorithm: undefined }]]);
  const bundles = createBundleMap([{ ...bundleOf("shop.test", []), jwtKeys }]);
  const web = expectOk(parseSpiffeId("spiffe://shop.test/web"));
  const svid = (audience: string, signer: SigningKey = key): string =>
    signJwtSvid(
      { id: web, audience: [audience], issuedAtMs: now, expiresAtMs: now + 60_000, claims: { tenant: "blue" } },
      { keyId: "svid", algorithm: "ES256", privateKey: signer.privateKey },
    );
  const policies = parseAccessPolicies(POLICY.replace("claims.sub == request.params.id", `claims.sub == "spiffe://shop.test/web"`));
  const port = await openService({ policies, tokens: [jwtSvidVerifier(bundles, [SELF])] });
  expect(await statusWith(port, svid(SELF))).toBe(200);
  expect(await statusWith(port, svid("spiffe://shop.test/bank"))).toBe(401);
  expect(await statusWith(port, svid(SELF, newSigningKey("svid")))).toBe(401);
});

test.each<[string, Partial<OidcIssuerOptions>]>([
  ["plain http", { issuer: "http://login.shop.test" }],
  ["a query", { issuer: "https://login.shop.test?a=1" }],
  ["no audience", { audiences: [] }],
  ["no algorithm", { algorithms: [] }],
  ["two days of outage", { staleIfErrorMs: 2 * DAY_MS }],
])("an issuer with %s is a mistake", (_, options) => {
  const right: OidcIssuerOptions = { issuer: "https://login.shop.test", audiences: ["shop"], algorithms: ["RS256"] };
  expect(() => new OidcIssuer({ ...right, ...options })).toThrow();
});

test("without verifiers a token proves nothing, and is no reason to refuse", async () => {
  const port = await openService({ policies: parseAccessPolicies(POLICY.replace(/when: .*/, "when: size(claims) == 0")) });
  expect(await statusWith(port, "a.b.c")).toBe(200);
});
