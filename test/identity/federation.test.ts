/** Federation between two trust domains of ours, with both profiles, over real HTTPS. */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { RequestListener, ServerResponse } from "node:http";
import { createServer, request } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type BundleEndpoint, type EndpointCertificate, serveBundle } from "../../src/identity/federation/bundle-endpoint.ts";
import { BundleStore } from "../../src/identity/federation/bundle-store.ts";
import { Federation, type FederationNews } from "../../src/identity/federation/federation.ts";
import { EMPTY_NAME, encodeCommonName, issueCertificate, localIssuer } from "../../src/lib/certificate.ts";
import { encodeJson } from "../../src/lib/json.ts";
import { encodePem } from "../../src/lib/pem.ts";
import { jsonOfTrustBundle, type TrustBundle } from "../../src/spiffe/bundle.ts";
import { type FederationEndpoint, parseFederationEndpoint } from "../../src/spiffe/federation.ts";
import { parseX509Svid } from "../../src/spiffe/x509-svid.ts";
import { HOUR_MS, type TestAuthority, testAuthority, trustDomainOf } from "./authority-in-process.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "vigil-federation-"));
  cleanups.push(() => rmSync(directory, { recursive: true }));
  return directory;
}

const other = (): Promise<TestAuthority> => testAuthority({ trustDomain: "other.org", nowMs: Date.now });

async function ownCertificate({ authority }: TestAuthority): Promise<EndpointCertificate> {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issued = await authority.signOwn(["vigil", "bundle-endpoint"], publicKey.export({ type: "spki", format: "der" }), []);
  if (!issued.ok) throw issued.error;
  const svid = parseX509Svid(Buffer.concat(issued.value.certificates), privateKey.export({ type: "pkcs8", format: "der" }));
  if (!svid.ok) throw svid.error;
  const pem = (label: "CERTIFICATE" | "PRIVATE KEY", der: Uint8Array): string => encodePem({ label, der });
  return {
    keyPem: pem("PRIVATE KEY", privateKey.export({ type: "pkcs8", format: "der" })),
    chainPem: issued.value.certificates.map((der) => pem("CERTIFICATE", der)).join(""),
  };
}

/** A certificate for 127.0.0.1 of a public authority, and that authority. */
function webCertificate(): EndpointCertificate & { readonly authorityPem: string } {
  const [ca, leaf] = [generateKeyPairSync("ec", { namedCurve: "P-256" }), generateKeyPairSync("ec", { namedCurve: "P-256" })];
  const spki = (keys: typeof ca): Uint8Array => keys.publicKey.export({ type: "spki", format: "der" });
  const issuer = localIssuer(encodeCommonName("web"), spki(ca), ca.privateKey);
  const times = { notBeforeMs: Date.now() - HOUR_MS, notAfterMs: Date.now() + HOUR_MS };
  const root = issueCertificate({
    profile: { kind: "authority", pathLength: 0 },
    subject: issuer.name,
    publicKeyInfo: spki(ca),
    serial: randomBytes(16),
    ...times,
    issuer,
  });
  const der = issueCertificate({
    profile: { kind: "leaf", names: [{ kind: "ip", value: "127.0.0.1" }], usages: ["serverAuth"] },
    ...{ subject: EMPTY_NAME, publicKeyInfo: spki(leaf), serial: randomBytes(16), ...times, issuer },
  });
  return {
    keyPem: encodePem({ label: "PRIVATE KEY", der: leaf.privateKey.export({ type: "pkcs8", format: "der" }) }),
    chainPem: encodePem({ label: "CERTIFICATE", der }),
    authorityPem: encodePem({ label: "CERTIFICATE", der: root }),
  };
}

interface EndpointOptions {
  readonly oidcHosts?: readonly string[];
  readonly issuer?: string;
}

async function endpoint(
  { authority }: TestAuthority,
  certificate: EndpointCertificate,
  options: EndpointOptions = {},
): Promise<BundleEndpoint> {
  const served = await serveBundle({
    host: "127.0.0.1",
    port: 0,
    certificate,
    bundle: () => authority.authorities.bundle,
    oidcHosts: options.oidcHosts ?? [],
    issuer: options.issuer,
  });
  cleanups.push(() => served.close());
  return served;
}

interface Follower {
  readonly federation: Federation;
  readonly news: readonly FederationNews[];
  readonly directory: string;
}

async function follower(webAuthorities: string | undefined, directory = temporary()): Promise<Follower> {
  const own = await testAuthority();
  const news: FederationNews[] = [];
  const store = new BundleStore(directory);
  const federation = await Federation.open({
    own: () => own.authority.authorities.bundle,
    store,
    nowMs: Date.now,
    webAuthorities,
    timeoutMs: 5_000,
    onNews: (item) => news.push(item),
  });
  cleanups.push(() => federation.close());
  return { federation, news, directory };
}

function relationTo(port: number, serverId?: string): FederationEndpoint {
  const profile = serverId === undefined ? "https_web" : "https_spiffe";
  const parsed = parseFederationEndpoint({ trustDomain: "other.org", url: `https://127.0.0.1:${port}/`, profile, serverId });
  if (!parsed.ok) throw parsed.error;
  return parsed.value;
}

const want = ({ federation }: Follower, relation: FederationEndpoint, bundle?: TrustBundle): void =>
  federation.want([{ endpoint: relation, bundle: bundle && encodeJson(jsonOfTrustBundle(bundle)), origin: "resource" }]);

const OTHER = trustDomainOf("other.org");
const SERVER_ID = "spiffe://other.org/vigil/bundle-endpoint";

describe("https_spiffe", () => {
  test("begins with the configured bundle, and follows from one to the next, though the first authority is gone at last", async () => {
    const them = await other();
    const served = await endpoint(them, await ownCertificate(them));
    const we = await follower(undefined);
    want(we, relationTo(served.port, SERVER_ID), them.authority.authorities.bundle);
    expect(await we.federation.fetchNow(OTHER)).toBe(true);
    const set = them.authority.authorities;
    const first = set.records.find(({ kind }) => kind === "x509")?.id ?? "";
    await set.prepare("x509");
    expect(await we.federation.fetchNow(OTHER)).toBe(true);
    await set.activate("x509", undefined, true);
    served.use(await ownCertificate(them));
    await set.revoke(first);
    expect(await we.federation.fetchNow(OTHER)).toBe(true);
    expect(we.federation.bundleOf(OTHER)?.x509Authorities).toHaveLength(1);
    expect(we.federation.bundleOf(OTHER)?.sequence).toBe(set.bundle.sequence);
  });

  test("a server that is not the configured one is refused, and the bundle stays", async () => {
    const them = await other();
    const impostor = await testAuthority({ trustDomain: "other.org", nowMs: Date.now });
    const served = await endpoint(impostor, await ownCertificate(impostor));
    const we = await follower(undefined);
    want(we, relationTo(served.port, SERVER_ID), them.authority.authorities.bundle);
    expect(await we.federation.fetchNow(OTHER)).toBe(false);
    expect(we.federation.status()[0]?.failure).toMatch(/^FEDERATION_SERVER: /);
    expect(we.federation.bundleOf(OTHER)?.x509Authorities).toEqual(them.authority.authorities.bundle.x509Authorities);
    const wrongId = await endpoint(them, await ownCertificate(them));
    want(we, relationTo(wrongId.port, "spiffe://other.org/another"), them.authority.authorities.bundle);
    expect(await we.federation.fetchNow(OTHER)).toBe(false);
    expect(we.federation.status()[0]?.failure).toMatch(/^FEDERATION_SERVER: /);
  });
});

describe("https_web", () => {
  test("trusts the public authorities, and no others", async () => {
    const them = await other();
    const web = webCertificate();
    const served = await endpoint(them, web);
    const we = await follower(web.authorityPem);
    want(we, relationTo(served.port));
    expect(await we.federation.fetchNow(OTHER)).toBe(true);
    const others = await follower(undefined);
    want(others, relationTo(served.port));
    expect(await others.federation.fetchNow(OTHER)).toBe(false);
    expect(others.federation.status()[0]?.failure).toMatch(/^FEDERATION_UNREACHABLE: /);
    expect(others.federation.bundleOf(OTHER)).toBeUndefined();
  });

  test("a bundle is kept over a restart, and forgotten when it is no longer trusted", async () => {
    const them = await other();
    const web = webCertificate();
    const served = await endpoint(them, web);
    const we = await follower(web.authorityPem);
    want(we, relationTo(served.port));
    await we.federation.fetchNow(OTHER);
    await served.close();
    const again = await follower(web.authorityPem, we.directory);
    expect(again.federation.all().size).toBe(0);
    want(again, relationTo(served.port));
    expect(again.federation.bundleOf(OTHER)?.sequence).toBe(them.authority.authorities.bundle.sequence);
    again.federation.want([]);
    expect(again.federation.bundleOf(OTHER)).toBeUndefined();
    want(again, relationTo(served.port));
    expect(again.federation.bundleOf(OTHER)).toBeUndefined();
  });

  test("a stored bundle that is damaged is reported, and not trusted", async () => {
    const directory = temporary();
    writeFileSync(join(directory, "other.org.json"), '{"keys":');
    const we = await follower(undefined, directory);
    expect(we.news.map(({ kind }) => kind)).toEqual(["failure"]);
    want(we, relationTo(1));
    expect(we.federation.bundleOf(OTHER)).toBeUndefined();
  });

  /** Answers as a test says. */
  async function answering(web: EndpointCertificate, answer: RequestListener): Promise<number> {
    const server = createServer({ key: web.keyPem, cert: web.chainPem });
    server.on("request", answer);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    cleanups.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return (server.address() as AddressInfo).port;
  }

  type Respond = (response: ServerResponse) => unknown;
  test.each<[string, Respond, RegExp]>([
    ["an error", (response) => response.writeHead(500).end(), /^FEDERATION_ANSWER/],
    ["no JSON", (response) => response.writeHead(200).end("<html>"), /^SPIFFE_/],
    ["no keys", (response) => response.writeHead(200).end("{}"), /^SPIFFE_/],
    ["a redirect in circles", (response) => response.writeHead(302, { location: "/" }).end(), /^FEDERATION_ANSWER/],
    ["a redirect to http", (response) => response.writeHead(302, { location: "http://127.0.0.1/" }).end(), /^SPIFFE_/],
    ["too much", (response) => response.writeHead(200).end(Buffer.alloc(5 * 1024 * 1024)), /^FEDERATION_ANSWER/],
    [
      "half of an answer",
      (response) => void response.writeHead(200, { "content-length": "100" }).write("{", () => response.destroy()),
      /^FEDERATION_UNREACHABLE/,
    ],
  ])("a server that sends %s changes nothing", async (_, respond, failure) => {
    const web = webCertificate();
    const port = await answering(web, (_request, response) => respond(response));
    const we = await follower(web.authorityPem);
    want(we, relationTo(port));
    expect(await we.federation.fetchNow(OTHER)).toBe(false);
    expect(we.federation.status()[0]?.failure).toMatch(failure);
    expect(we.federation.bundleOf(OTHER)).toBeUndefined();
  });

  test("a bundle with a lower sequence number does not replace a later one", async () => {
    const them = await other();
    const web = webCertificate();
    const old = encodeJson(jsonOfTrustBundle({ ...them.authority.authorities.bundle, sequence: 1n }));
    const port = await answering(web, (_request, response) => void response.writeHead(200).end(old));
    const we = await follower(web.authorityPem);
    want(we, relationTo(port), { ...them.authority.authorities.bundle, sequence: 9n });
    expect(await we.federation.fetchNow(OTHER)).toBe(false);
    expect(we.federation.bundleOf(OTHER)?.sequence).toBe(9n);
  });
});

describe("the endpoint", () => {
  interface Answered {
    readonly status: number;
    readonly body: string;
  }
  const ask = (port: number, path: string, host: string, method = "GET"): Promise<Answered> =>
    new Promise((resolve, reject) => {
      const sent = request(
        { host: "127.0.0.1", port, path, method, rejectUnauthorized: false, agent: false, headers: { host } },
        (response) => {
          let body = "";
          response.on("data", (chunk) => {
            body += chunk;
          });
          response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
        },
      );
      sent.on("error", reject).end();
    });

  test("answers discovery for its hosts, with the keys of JWT-SVIDs", async () => {
    const them = await other();
    const { port } = await endpoint(them, webCertificate(), { oidcHosts: ["id.other.org"] });
    const discovery = await ask(port, "/.well-known/openid-configuration", "id.other.org");
    expect(JSON.parse(discovery.body)).toMatchObject({
      issuer: "https://id.other.org",
      jwks_uri: "https://id.other.org/keys",
      id_token_signing_alg_values_supported: ["ES256"],
    });
    const { keys } = JSON.parse((await ask(port, "/keys", "id.other.org")).body);
    expect(keys).toEqual([
      expect.objectContaining({ use: "sig", kty: "EC", kid: them.authority.authorities.tokenSigner("jwt").record.id }),
    ]);
  });

  test.each([
    ["/.well-known/openid-configuration", "evil.example", 400],
    ["/keys", "a b", 400],
    ["/keys", "id.other.org:99999999", 400],
    ["/nothing", "id.other.org", 404],
    ["/%2e%2e/", "id.other.org", 404],
  ])("%s of the host `%s` is answered with %i", async (path, host, status) => {
    const { port } = await endpoint(await other(), webCertificate(), { oidcHosts: ["id.other.org"] });
    expect((await ask(port, path, host)).status).toBe(status);
  });

  test("takes nothing", async () => {
    const { port } = await endpoint(await other(), webCertificate());
    expect((await ask(port, "/", "x", "POST")).status).toBe(405);
    expect((await ask(port, "/keys", "id.other.org")).status).toBe(404);
  });
});
