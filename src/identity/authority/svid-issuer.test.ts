import "../../../test/identity/reflect-metadata.ts";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { X509Certificate as PeculiarCertificate } from "@peculiar/x509";
import { describe, expect, test } from "vitest";
import {
  HOUR_MS,
  MINUTE_MS,
  type TestAuthority,
  testAuthority,
  trustDomainYaml,
  workloadYaml,
} from "../../../test/identity/authority-in-process.ts";
import { encodePem } from "../../lib/pem.ts";
import type { Result } from "../../lib/result.ts";
import type { KeyType } from "../../resource/trust-domain.ts";
import { verifyJwtSvid } from "../../spiffe/jwt-svid.ts";
import { verifyWitSvid } from "../../spiffe/wit-svid.ts";
import { parseX509Svid, verifyX509Svid } from "../../spiffe/x509-svid.ts";
import type { SubjectKey } from "./authority.ts";
import type { KeyStore, LoadedKey, SigningKey } from "./key-store.ts";
import { MemoryKeyStore } from "./memory-key-store.ts";
import type { IssuedX509Svid, Requester } from "./svid-issuer.ts";

const AGENT: Requester = { name: "spiffe://example.org/vigil/agent/local", agentId: "spiffe://example.org/vigil/agent/local" };
const WEB = workloadYaml("web", "{selectors: ['unix:uid:1'], dnsNames: [web.example.org], ipAddresses: ['10.0.0.1'], hint: main}");

const spkiOf = (key: KeyObject): Uint8Array => key.export({ type: "spki", format: "der" });
const newKeys = (): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } => generateKeyPairSync("ec", { namedCurve: "P-256" });
const keyOf = (der: Uint8Array): SubjectKey => ({ kind: "public key", der });

async function signed(test: TestAuthority, subject: SubjectKey, entryId = "default/web"): Promise<IssuedX509Svid> {
  const result = await test.authority.signX509(entryId, subject, AGENT);
  if (!result.ok) throw result.error;
  return result.value;
}

const codeOf = (result: Result<unknown, { readonly code: string }>): string => (result.ok ? "issued" : result.error.code);

describe.each<KeyType>(["ec-p256", "ec-p384", "rsa-2048"])("an X.509-SVID of an authority with %s", (keyType) => {
  test("verifies by our validator, by @peculiar/x509 and by openssl -x509_strict", async () => {
    const it = await testAuthority({ resources: WEB, lifetimeOf: () => ({ keyType, ttlMs: 24 * HOUR_MS }), nowMs: Date.now });
    const { publicKey, privateKey } = newKeys();
    const svid = await signed(it, keyOf(spkiOf(publicKey)));
    const verified = verifyX509Svid(svid.certificates, it.authority, { nowMs: Date.now() });
    expect(verified).toMatchObject({ ok: true, value: { id: "spiffe://example.org/default/web", validUntilMs: svid.notAfterMs } });
    expect(parseX509Svid(Buffer.concat(svid.certificates), privateKey.export({ type: "pkcs8", format: "der" })).ok).toBe(true);
    const [leaf] = svid.certificates;
    const [root] = it.authority.authorities.bundle.x509Authorities;
    if (leaf === undefined || root === undefined) throw new Error("no chain");
    const oracle = new PeculiarCertificate(Buffer.from(leaf));
    expect(await oracle.verify({ publicKey: new PeculiarCertificate(Buffer.from(root.der)).publicKey, date: new Date() })).toBe(true);
    expect(oracle.serialNumber).toBe(svid.serial);
    expect(opensslVerdict(leaf, root.der)).toMatch(/leaf\.pem: OK/);
  });
});

function opensslVerdict(leaf: Uint8Array, root: Uint8Array): string {
  const directory = mkdtempSync(join(tmpdir(), "vigil-svid-"));
  try {
    for (const [name, der] of Object.entries({ leaf, root }))
      writeFileSync(join(directory, `${name}.pem`), encodePem({ label: "CERTIFICATE", der }));
    return execFileSync("openssl", ["verify", "-x509_strict", "-check_ss_sig", "-CAfile", "root.pem", "leaf.pem"], {
      cwd: directory,
      encoding: "utf8",
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("names, times and hint are those of the entry", async () => {
  const it = await testAuthority({ resources: WEB });
  const svid = await signed(it, keyOf(spkiOf(newKeys().publicKey)));
  const nowMs = it.clock.nowMs;
  expect(svid).toMatchObject({
    hint: "main",
    notBeforeMs: nowMs - 10_000,
    notAfterMs: nowMs + 15 * MINUTE_MS,
    renewAtMs: nowMs + 7.5 * MINUTE_MS,
  });
  const oracle = new PeculiarCertificate(Buffer.from(svid.certificates[0] ?? []));
  expect(oracle.toString("text")).toMatch(/web\.example\.org[\s\S]*10\.0\.0\.1|10\.0\.0\.1[\s\S]*web\.example\.org/);
});

test("no SVID outlives the authority that signed it, and its renewal comes earlier then", async () => {
  const resources = workloadYaml("web", "{selectors: ['unix:uid:1'], class: gateway}");
  const it = await testAuthority({ resources, lifetimeOf: () => ({ keyType: "ec-p256", ttlMs: 3 * HOUR_MS }) });
  const svid = await signed(it, keyOf(spkiOf(newKeys().publicKey)));
  expect(svid.notAfterMs).toBe(it.clock.nowMs + 3 * HOUR_MS);
  expect(svid.renewAtMs).toBe(it.clock.nowMs + 1.5 * HOUR_MS);
});

test("serial numbers are different, positive and of 16 octets", async () => {
  const it = await testAuthority({ resources: WEB });
  const der = spkiOf(newKeys().publicKey);
  const serials = await Promise.all(Array.from({ length: 600 }, async () => (await signed(it, keyOf(der))).serial));
  expect(new Set(serials).size).toBe(600);
  expect(serials.every((serial) => /^[4-7][0-9a-f]{31}$/.test(serial))).toBe(true);
});

describe("a certification request", () => {
  const openssl = (...args: readonly string[]): Buffer => execFileSync("openssl", args);
  const csr = (...options: readonly string[]): Uint8Array =>
    openssl(
      "req",
      "-new",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-keyout",
      "/dev/null",
      "-subj",
      "/CN=evil",
      "-outform",
      "DER",
      ...options,
    );

  test("proves possession, and none of its names counts", async () => {
    const it = await testAuthority({ resources: WEB });
    const request = csr("-addext", "subjectAltName=URI:spiffe://example.org/admin");
    const svid = await signed(it, { kind: "csr", der: request });
    expect(verifyX509Svid(svid.certificates, it.authority, { nowMs: it.clock.nowMs })).toMatchObject({
      ok: true,
      value: { id: "spiffe://example.org/default/web" },
    });
  });

  test("that is changed or malformed is refused, whichever octet it is", async () => {
    const it = await testAuthority({ resources: WEB });
    const request = csr();
    for (let at = 0; at < request.length; at++) {
      const changed = Uint8Array.from(request, (octet, index) => (index === at ? octet ^ 0x01 : octet));
      expect(["IDENTITY_CSR", "IDENTITY_PUBLIC_KEY"]).toContain(
        codeOf(await it.authority.signX509("default/web", { kind: "csr", der: changed }, AGENT)),
      );
    }
    for (const length of [0, 1, 10, request.length - 1])
      expect(codeOf(await it.authority.signX509("default/web", { kind: "csr", der: request.subarray(0, length) }, AGENT))).toBe(
        "IDENTITY_CSR",
      );
  });

  test("signed by another key is refused", async () => {
    const it = await testAuthority({ resources: WEB });
    const [mine, other] = [csr(), csr()];
    // The signature is the last element: as long as the other one, or refused for its length.
    const mixed = Buffer.concat([mine.subarray(0, mine.length - 60), other.subarray(other.length - 60)]);
    expect(codeOf(await it.authority.signX509("default/web", { kind: "csr", der: mixed }, AGENT))).toBe("IDENTITY_CSR");
  });
});

test.each<[string, Uint8Array]>([
  ["nothing", new Uint8Array(0)],
  ["noise", Uint8Array.from({ length: 91 }, (_, index) => index)],
  ["an RSA key of 1024 bits", spkiOf(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey)],
  ["an Ed25519 key", spkiOf(generateKeyPairSync("ed25519").publicKey)],
  ["a key on secp256k1", spkiOf(generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey)],
  ["a key with something behind it", Buffer.concat([spkiOf(newKeys().publicKey), Buffer.of(0)])],
  ["a point that is not on its curve", Buffer.concat([spkiOf(newKeys().publicKey).subarray(0, 27), Buffer.alloc(64, 7)])],
  [
    "a point of P-384 that is not on its curve",
    Buffer.concat([spkiOf(generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey).subarray(0, 24), Buffer.alloc(96, 7)]),
  ],
  ["a point at infinity", Buffer.concat([spkiOf(newKeys().publicKey).subarray(0, 27), Buffer.alloc(64)])],
  [
    "a compressed point in the place of another",
    Buffer.concat([spkiOf(newKeys().publicKey).subarray(0, 26), Buffer.of(2), Buffer.alloc(64, 1)]),
  ],
  ["coordinates beyond the field", Buffer.concat([spkiOf(newKeys().publicKey).subarray(0, 27), Buffer.alloc(64, 0xff)])],
  ["a key as long as a book", new Uint8Array(1 << 20)],
])("%s is certified for nobody", async (_, der) => {
  const it = await testAuthority({ resources: WEB });
  expect(codeOf(await it.authority.signX509("default/web", keyOf(der), AGENT))).toBe("IDENTITY_PUBLIC_KEY");
});

describe("tokens", () => {
  test("a JWT-SVID verifies for its audience", async () => {
    const it = await testAuthority({ resources: WEB });
    const token = await it.authority.signJwt("default/web", ["db"], AGENT);
    if (!token.ok) throw token.error;
    const verified = verifyJwtSvid(token.value.token, it.authority, { audiences: ["db"], nowMs: it.clock.nowMs });
    expect(verified).toMatchObject({
      ok: true,
      value: { id: "spiffe://example.org/default/web", expiresAtMs: it.clock.nowMs + 5 * MINUTE_MS },
    });
  });

  test("a WIT-SVID is bound to the workload's key", async () => {
    const it = await testAuthority({ resources: WEB });
    const { publicKey } = newKeys();
    const token = await it.authority.signWit("default/web", { publicKeyInfo: spkiOf(publicKey), algorithm: "ES256" }, AGENT);
    if (!token.ok) throw token.error;
    const provesPossession = (key: { readonly publicKey: KeyObject }): boolean => key.publicKey.equals(publicKey);
    expect(verifyWitSvid(token.value.token, it.authority, { nowMs: it.clock.nowMs, provesPossession }).ok).toBe(true);
  });

  test.each([[[]], [[""]], [["x".repeat(1025)]], [Array.from({ length: 33 }, (_, index) => `a${index}`)]])(
    "audiences %j are refused",
    async (audience: string[]) => {
      const it = await testAuthority({ resources: WEB });
      expect(codeOf(await it.authority.signJwt("default/web", audience, AGENT))).toBe("IDENTITY_AUDIENCE");
    },
  );

  test.each(["none", "HS256", "ES384", "RS256", "constructor"])("a WIT-SVID with %s and a key on P-256 is refused", async (algorithm) => {
    const it = await testAuthority({ resources: WEB });
    const proof = { publicKeyInfo: spkiOf(newKeys().publicKey), algorithm };
    expect(codeOf(await it.authority.signWit("default/web", proof, AGENT))).toBe("IDENTITY_ALGORITHM");
  });
});

/** Keys that never leave their place, as those of a key service. */
class RemoteKeyStore implements KeyStore {
  readonly description = "remote";
  readonly #inner = new MemoryKeyStore();
  readonly #hidden = (key: SigningKey): SigningKey => ({ ...key, privateKey: undefined });
  create = async (name: string, keyType: KeyType): Promise<SigningKey> => this.#hidden(await this.#inner.create(name, keyType));
  load = async (name: string): Promise<LoadedKey> => {
    const loaded = await this.#inner.load(name);
    return loaded.kind === "key" ? { kind: "key", key: this.#hidden(loaded.key) } : loaded;
  };
  list = (): Promise<readonly string[]> => this.#inner.list();
  delete = (name: string): Promise<void> => this.#inner.delete(name);
}

test.each<KeyType>(["ec-p256", "ec-p384", "rsa-2048"])(
  "keys of type %s in a service sign all that keys in the process sign",
  async (keyType) => {
    const it = await testAuthority({ resources: WEB, keyStore: new RemoteKeyStore(), lifetimeOf: () => ({ keyType, ttlMs: HOUR_MS }) });
    const svid = await signed(it, keyOf(spkiOf(newKeys().publicKey)));
    expect(verifyX509Svid(svid.certificates, it.authority, { nowMs: it.clock.nowMs }).ok).toBe(true);
    const token = await it.authority.signJwt("default/web", ["db"], AGENT);
    if (!token.ok) throw token.error;
    expect(verifyJwtSvid(token.value.token, it.authority, { audiences: ["db"], nowMs: it.clock.nowMs }).ok).toBe(true);
    const wit = await it.authority.signWit("default/web", { publicKeyInfo: spkiOf(newKeys().publicKey), algorithm: "ES256" }, AGENT);
    if (!wit.ok) throw wit.error;
    expect(verifyWitSvid(wit.value.token, it.authority, { nowMs: it.clock.nowMs, provesPossession: () => true }).ok).toBe(true);
  },
);

describe("who gets nothing", () => {
  const subject = keyOf(spkiOf(newKeys().publicKey));

  test("an entry that is not registered, or not for this agent", async () => {
    const it = await testAuthority({
      resources: workloadYaml("web", "{selectors: ['unix:uid:1'], agents: ['spiffe://example.org/vigil/agent/edge-*']}"),
    });
    expect(codeOf(await it.authority.signX509("default/none", subject, AGENT))).toBe("IDENTITY_UNKNOWN_ENTRY");
    expect(codeOf(await it.authority.signX509("default/web", subject, AGENT))).toBe("IDENTITY_UNKNOWN_ENTRY");
    const edge = "spiffe://example.org/vigil/agent/edge-1";
    expect(codeOf(await it.authority.signX509("default/web", subject, { name: edge, agentId: edge }))).toBe("issued");
  });

  test("a denied identity, and a denied agent, until they are denied no longer", async () => {
    const it = await testAuthority({ resources: WEB });
    for (const id of ["spiffe://example.org/default/web", AGENT.agentId]) {
      const change = { spiffeIds: [id], serials: [], reason: "test" };
      await it.authority.deny({ ...change, remove: false });
      expect(codeOf(await it.authority.signX509("default/web", subject, AGENT))).toBe("IDENTITY_DENIED");
      expect(codeOf(await it.authority.signJwt("default/web", ["db"], AGENT))).toBe("IDENTITY_DENIED");
      await it.authority.deny({ ...change, remove: true });
      expect(codeOf(await it.authority.signX509("default/web", subject, AGENT))).toBe("issued");
    }
    expect(it.issued.filter(({ refusal }) => refusal !== undefined)).toHaveLength(4);
  });

  test("a request that a rule of issuance refuses, or that it cannot judge", async () => {
    const rules = trustDomainYaml(
      `{issuance: [{name: no-web-tokens, expression: 'request.kind != "jwt" || request.audience.size() == 1', message: one audience}, {name: broken, expression: 'workload.labels["team"] != ""'}]}`,
    );
    const it = await testAuthority({
      resources: `${rules}${WEB.replace("{name: web}", "{name: web, labels: {team: a}}")}${workloadYaml("bare", "{selectors: ['unix:uid:2']}")}`,
    });
    expect(codeOf(await it.authority.signX509("default/web", subject, AGENT))).toBe("issued");
    expect(codeOf(await it.authority.signJwt("default/web", ["a", "b"], AGENT))).toBe("IDENTITY_RULE");
    expect(codeOf(await it.authority.signX509("default/bare", subject, AGENT))).toBe("IDENTITY_RULE");
    expect(it.issued.flatMap(({ rule }) => (rule === undefined ? [] : [[rule.rule, rule.isError]]))).toEqual([
      ["no-web-tokens", false],
      ["broken", true],
    ]);
  });

  test("an identity of another trust domain, or one that the rules of registration refuse, is not minted", async () => {
    const it = await testAuthority({
      resources: trustDomainYaml(
        `{registration: [{name: people, expression: 'registrar.kind == "file" || workload.path.startsWith("/people/")'}]}`,
      ),
    });
    const der = spkiOf(newKeys().publicKey);
    const mint = async (id: string): Promise<string> => {
      const spiffeId = id as Parameters<typeof it.authority.mintX509>[0]["spiffeId"];
      return codeOf(await it.authority.mintX509({ spiffeId, ttlMs: undefined, dnsNames: [] }, der, { name: "uid:0", agentId: "" }));
    };
    expect(await mint("spiffe://example.org/people/ann")).toBe("issued");
    expect(await mint("spiffe://example.org/web")).toBe("IDENTITY_RULE");
    expect(await mint("spiffe://other.org/people/ann")).toBe("IDENTITY_RULE");
  });
});

test("each SVID and each refusal is told, with what it is", async () => {
  const it = await testAuthority({ resources: WEB });
  const svid = await signed(it, keyOf(spkiOf(newKeys().publicKey)));
  expect(it.issued).toEqual([
    expect.objectContaining({
      kind: "x509",
      spiffeId: svid.spiffeId,
      requester: AGENT,
      authorityId: svid.authorityId,
      what: expect.stringContaining(svid.serial),
    }),
  ]);
});
