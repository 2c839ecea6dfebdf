/** Who may have an authority below ours, and what it may do to the trust of everybody: a real server, callers with real SVIDs. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { GrpcChannel } from "../../src/grpc/channel.ts";
import { GrpcServer } from "../../src/grpc/server.ts";
import { encodeCertificationRequest } from "../../src/identity/authority/certification-request.ts";
import { downstreamServices } from "../../src/identity/authority/downstream-service.ts";
import type { ForeignTokenKey, UpstreamTrust } from "../../src/identity/authority/foreign-trust.ts";
import { decodeJournal, encodeJournal } from "../../src/identity/authority/journal-encoding.ts";
import { Bundle } from "../../src/identity/generated/spire/api/server/bundle/v1/bundle_pb.ts";
import { SVID } from "../../src/identity/generated/spire/api/server/svid/v1/svid_pb.ts";
import { EMPTY_NAME, encodeCommonName, encodeSigned, encodeToBeSigned, keyIdentifier, signatureScheme } from "../../src/lib/certificate.ts";
import { secureContextOptions } from "../../src/service/tls-context.ts";
import { parseX509Certificate } from "../../src/spiffe/x509-certificate.ts";
import { parseX509Svid, verifyX509Svid, type X509Svid } from "../../src/spiffe/x509-svid.ts";
import { DAY_MS, HOUR_MS, type TestAuthority, testAuthority, workloadYaml } from "./authority-in-process.ts";

/** However slow the machine is. */
const PATIENCE = { timeout: 20_000 };

const BELOW = workloadYaml("below", "{selectors: ['unix:uid:1'], downstream: true}");
const BELOW_ID = "spiffe://example.org/default/below";
const OTHER = workloadYaml("other", "{selectors: ['unix:uid:2'], downstream: true}");
const PLAIN = workloadYaml("plain", "{selectors: ['unix:uid:3']}");

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

const newKeys = (): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } => generateKeyPairSync("ec", { namedCurve: "P-256" });
const spkiOf = (key: KeyObject): Uint8Array => key.export({ type: "spki", format: "der" });

interface Served extends TestAuthority {
  readonly above: ForeignTokenKey[];
  as(name?: string): Promise<GrpcChannel>;
}

async function serve(resources: string = BELOW + OTHER + PLAIN): Promise<Served> {
  const it = await testAuthority({ resources, nowMs: Date.now });
  const { authority } = it;
  const above: ForeignTokenKey[] = [];
  const publishAbove = async (key: ForeignTokenKey): Promise<void> => void above.push(key);
  const server = new GrpcServer({ services: downstreamServices({ authority, nowMs: Date.now, publishAbove }) });
  const svidOf = async (entryId: string): Promise<X509Svid> => {
    const { publicKey, privateKey } = newKeys();
    const issued = await authority.signX509(entryId, { kind: "public key", der: spkiOf(publicKey) }, { name: "test", agentId: "" });
    if (!issued.ok) throw issued.error;
    const svid = parseX509Svid(Buffer.concat(issued.value.certificates), privateKey.export({ type: "pkcs8", format: "der" }));
    if (!svid.ok) throw svid.error;
    return svid.value;
  };
  const tls = { requestCert: true, rejectUnauthorized: false, ALPNProtocols: ["h2"] };
  const listener = createServer({ ...secureContextOptions(await svidOf("default/plain"), "TLSv1.3"), ...tls });
  server.attach(listener);
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => server.close(0));
  // A server that listens on a port has an address of this kind.
  const { port } = listener.address() as AddressInfo;
  return {
    ...it,
    above,
    as: async (name) => {
      const own = name === undefined ? {} : secureContextOptions(await svidOf(`default/${name}`), "TLSv1.3");
      const channel = new GrpcChannel({ address: { kind: "tcp", host: "127.0.0.1", port, tls: { rejectUnauthorized: false, ...own } } });
      cleanups.push(() => channel.close({ cut: true }));
      return channel;
    },
  };
}

async function csrOf({ publicKey, privateKey }: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }): Promise<Uint8Array> {
  const scheme = signatureScheme(privateKey);
  const request = { subject: EMPTY_NAME, spiffeId: "spiffe://elsewhere.test", publicKeyInfo: spkiOf(publicKey) };
  return encodeCertificationRequest(request, scheme, async (data) => sign(scheme.hash, data, privateKey));
}

const jwtKey = (keyId: string, key: KeyObject, expiresAtMs: number = Date.now() + HOUR_MS) => ({
  jwtAuthority: { keyId, publicKey: spkiOf(key), expiresAt: BigInt(Math.floor(expiresAtMs / 1000)) },
});

describe("the certificate of an authority below", () => {
  test("signs SVIDs of the trust domain, no authorities, and no longer than ours lives", async () => {
    const { as, authority, issued } = await serve();
    const keys = newKeys();
    const channel = await as("below");
    const answer = await channel.unary(SVID.method.newDownstreamX509CA, { csr: await csrOf(keys), preferredTtl: 365 * 24 * 3600 });
    const [der] = answer.caCertChain;
    const certificate = parseX509Certificate(der ?? new Uint8Array(0));
    if (!certificate.ok || der === undefined) throw new Error("no certificate");
    expect(certificate.value).toMatchObject({ isAuthority: true, pathLength: 0, names: { uris: ["spiffe://example.org"] } });
    expect(certificate.value.notAfterMs).toBeLessThanOrEqual(authority.authorities.certificateSigner().record.notAfterMs);
    const deeper = newKeys();
    const certified = (subject: Uint8Array, key: KeyObject, issuer: { name: Uint8Array; keys: typeof keys }): Uint8Array => {
      const scheme = signatureScheme(issuer.keys.privateKey);
      const toBeSigned = encodeToBeSigned({
        profile:
          subject === EMPTY_NAME
            ? { kind: "leaf", names: [{ kind: "uri", value: "spiffe://example.org/x" }], usages: ["serverAuth", "clientAuth"] }
            : { kind: "authority", pathLength: undefined },
        subject,
        publicKeyInfo: spkiOf(key),
        serial: randomBytes(16),
        notBeforeMs: Date.now() - 1_000,
        notAfterMs: Date.now() + HOUR_MS,
        issuer: { name: issuer.name, keyIdentifier: keyIdentifier(spkiOf(issuer.keys.publicKey)), scheme },
      });
      return encodeSigned(toBeSigned, scheme, sign(scheme.hash, toBeSigned, issuer.keys.privateKey));
    };
    const own = { name: certificate.value.subject, keys };
    const verdict = (...chain: readonly Uint8Array[]): boolean => verifyX509Svid([...chain, der], authority, { nowMs: Date.now() }).ok;
    expect(verdict(certified(EMPTY_NAME, newKeys().publicKey, own))).toBe(true);
    const name = encodeCommonName("deeper");
    const leaf = certified(EMPTY_NAME, newKeys().publicKey, { name, keys: deeper });
    expect(verdict(leaf, certified(name, deeper.publicKey, own))).toBe(false);
    expect(issued.at(-1)).toMatchObject({ kind: "ca", spiffeId: "spiffe://example.org/default/below", refusal: undefined });
  });

  test.each<[string, string | undefined, string]>([
    ["nobody who shows no SVID", undefined, "UNAUTHENTICATED"],
    ["no workload that is not registered as downstream", "plain", "PERMISSION_DENIED"],
  ])("is for %s", async (_, name, status) => {
    const channel = await (await serve()).as(name);
    await expect(channel.unary(SVID.method.newDownstreamX509CA, { csr: await csrOf(newKeys()) })).rejects.toMatchObject({ status });
    await expect(channel.unary(Bundle.method.publishJWTAuthority, jwtKey("k", newKeys().publicKey))).rejects.toMatchObject({ status });
    expect(await channel.unary(Bundle.method.getBundle, {})).toMatchObject({ trustDomain: "example.org" });
  });

  test("is not for who is denied, nor for a request that is not its key's own", async () => {
    const { as, authority } = await serve();
    const channel = await as("below");
    const csr = await csrOf(newKeys());
    csr[csr.length - 1] = (csr.at(-1) ?? 0) ^ 1;
    await expect(channel.unary(SVID.method.newDownstreamX509CA, { csr })).rejects.toMatchObject({ status: "INVALID_ARGUMENT" });
    await authority.deny({ spiffeIds: ["spiffe://example.org/default/below"], serials: [], reason: "stolen", remove: false });
    await expect(channel.unary(SVID.method.newDownstreamX509CA, { csr: await csrOf(newKeys()) })).rejects.toMatchObject({
      status: "PERMISSION_DENIED",
    });
  });
});

describe("a key that an authority below publishes", () => {
  test("is trusted by all, told further up, and survives a restart", async () => {
    const { as, authority, above, journal } = await serve();
    const { publicKey } = newKeys();
    const channel = await as("below");
    const { jwtAuthorities } = await channel.unary(Bundle.method.publishJWTAuthority, jwtKey("below-1", publicKey));
    expect(jwtAuthorities.map(({ keyId }) => keyId)).toContain("below-1");
    expect(authority.authorities.bundle.jwtKeys.get("below-1")?.publicKey.equals(publicKey)).toBe(true);
    expect(above).toMatchObject([{ keyId: "below-1" }]);
    expect(decodeJournal(Buffer.from(encodeJournal(journal.state)))).toEqual(journal.state);
  });

  test("takes the place of no other key", async () => {
    const { as, authority } = await serve();
    const [own] = authority.authorities.bundle.jwtKeys.keys();
    const channel = await as("below");
    const publish = (caller: GrpcChannel, keyId: string, key = newKeys().publicKey, expiresAtMs?: number): Promise<unknown> =>
      caller.unary(Bundle.method.publishJWTAuthority, jwtKey(keyId, key, expiresAtMs));
    await expect(publish(channel, own ?? "")).rejects.toMatchObject({ status: "INVALID_ARGUMENT" });
    await publish(channel, "shared");
    await expect(publish(await as("other"), "shared")).rejects.toMatchObject({ status: "INVALID_ARGUMENT" });
    await expect(publish(channel, "late", newKeys().publicKey, Date.now() - HOUR_MS)).rejects.toMatchObject({ status: "INVALID_ARGUMENT" });
    await expect(channel.unary(Bundle.method.publishJWTAuthority, {})).rejects.toMatchObject({ status: "INVALID_ARGUMENT" });
    const junk = { jwtAuthority: { keyId: "junk", publicKey: Buffer.from("junk"), expiresAt: 0n } };
    await expect(channel.unary(Bundle.method.publishJWTAuthority, junk)).rejects.toMatchObject({ status: "INVALID_ARGUMENT" });
  });

  test("is one of at most sixteen of a publisher", async () => {
    const { authority } = await serve();
    const publish = (count: number): Promise<void> =>
      authority.authorities.publish({
        keyId: `k${count}`,
        publicKeyInfo: spkiOf(newKeys().publicKey),
        expiresAtMs: Date.now() + DAY_MS,
        publisher: "spiffe://example.org/default/below",
      });
    for (let count = 0; count < 16; count++) await publish(count);
    await expect(publish(16)).rejects.toMatchObject({ code: "AUTHORITY_LIMIT" });
    await expect(publish(15)).rejects.toMatchObject({ code: "AUTHORITY_KEY_CONFLICT" });
  });
});

test("a key of an authority below goes when it expires", async () => {
  const { authority, clock } = await testAuthority({ resources: BELOW });
  const expiresAtMs = clock.nowMs + HOUR_MS;
  await authority.authorities.publish({ keyId: "below-1", publicKeyInfo: spkiOf(newKeys().publicKey), expiresAtMs, publisher: BELOW_ID });
  expect(await authority.authorities.advance()).toBeLessThanOrEqual(expiresAtMs);
  expect(authority.authorities.bundle.jwtKeys.has("below-1")).toBe(true);
  clock.nowMs = expiresAtMs;
  await authority.authorities.advance();
  expect(authority.authorities.bundle.jwtKeys.has("below-1")).toBe(false);
});

test.each([
  ["is registered as downstream no longer", async ({ register }: TestAuthority) => register(PLAIN)],
  [
    "is denied",
    async ({ authority }: TestAuthority) =>
      void (await authority.deny({ spiffeIds: [BELOW_ID], serials: [], reason: "stolen", remove: false })),
  ],
])("keys go when their publisher %s", async (_, end) => {
  const it = await testAuthority({ resources: BELOW });
  const key = { keyId: "below-1", publicKeyInfo: spkiOf(newKeys().publicKey), expiresAtMs: it.clock.nowMs + HOUR_MS };
  await it.authority.authorities.publish({ ...key, publisher: BELOW_ID });
  expect(it.authority.authorities.bundle.jwtKeys.has("below-1")).toBe(true);
  await end(it);
  await expect.poll(() => it.authority.authorities.bundle.jwtKeys.has("below-1"), PATIENCE).toBe(false);
});

test("what the authority above trusts is trusted, and what it drops is not, though ours had said so before", async () => {
  const it = await testAuthority({ nowMs: Date.now });
  const root = it.authority.authorities.bundle.x509Authorities[0];
  if (root === undefined) throw new Error("no root");
  const { publicKey } = newKeys();
  const key = { keyId: "sibling", publicKeyInfo: spkiOf(publicKey), expiresAtMs: Date.now() + DAY_MS };
  const trust: UpstreamTrust = { roots: [root.der], taintedIds: [], jwtKeys: [key] };
  await it.authority.authorities.followUpstream(trust);
  const sequence = it.authority.authorities.bundle.sequence ?? 0n;
  expect(it.authority.authorities.bundle.jwtKeys.has("sibling")).toBe(true);
  await it.authority.authorities.followUpstream({ ...trust, jwtKeys: [{ ...key }] });
  expect(it.authority.authorities.bundle.sequence).toBe(sequence);
  await it.authority.authorities.followUpstream({ ...trust, jwtKeys: [] });
  expect(it.authority.authorities.bundle.jwtKeys.has("sibling")).toBe(false);
});
