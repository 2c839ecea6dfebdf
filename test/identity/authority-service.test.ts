/** The authority as agents and the command line see it: real sockets, real certificates. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { afterEach, describe, expect, test } from "vitest";
import { GrpcChannel } from "../../src/grpc/channel.ts";
import { GrpcServer } from "../../src/grpc/server.ts";
import { adminService, type CommandNews } from "../../src/identity/authority/admin-service.ts";
import { authorityService } from "../../src/identity/authority/authority-service.ts";
import { ConnectedAgents } from "../../src/identity/authority/connected-agents.ts";
import { BundleStore } from "../../src/identity/federation/bundle-store.ts";
import { Federation } from "../../src/identity/federation/federation.ts";
import {
  type AgentSvid,
  type AttestAgentRequestSchema,
  AuthorityAdmin,
  Authority as AuthorityDescription,
  type SyncResponse,
} from "../../src/identity/generated/vigil/authority/v1/authority_pb.ts";
import { encodeCommonName, issueCertificate, localIssuer } from "../../src/lib/certificate.ts";
import { encodePem } from "../../src/lib/pem.ts";
import { secureContextOptions } from "../../src/service/tls-context.ts";
import { verifyJwtSvid } from "../../src/spiffe/jwt-svid.ts";
import { parseX509Svid, verifyX509Svid, type X509Svid } from "../../src/spiffe/x509-svid.ts";
import {
  HOUR_MS,
  type TestAuthority,
  type TestAuthorityOptions,
  testAuthority,
  trustDomainYaml,
  workloadYaml,
} from "./authority-in-process.ts";

const WEB = workloadYaml("web", "{selectors: ['unix:uid:1']}");
const { method } = AuthorityDescription;
const admin = AuthorityAdmin.method;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

interface Served extends TestAuthority {
  /** Over the unix socket. */
  readonly local: GrpcChannel;
  /** Over TLS, presenting an SVID or nothing. */
  remote(svid?: X509Svid): GrpcChannel;
  readonly attestations: readonly (string | undefined)[];
  readonly commands: readonly CommandNews[];
}

async function serve(options: TestAuthorityOptions = {}): Promise<Served> {
  const it = await testAuthority({ resources: WEB, nowMs: Date.now, ...options });
  const { authority } = it;
  const directory = mkdtempSync(join(tmpdir(), "vigil-authority-"));
  const bundleStore = new BundleStore(join(directory, "bundles"));
  const federation = await Federation.open({
    own: () => authority.authorities.bundle,
    store: bundleStore,
    nowMs: Date.now,
    webAuthorities: undefined,
    onNews: () => undefined,
  });
  const [attestations, commands]: [(string | undefined)[], CommandNews[]] = [[], []];
  const connected = new ConnectedAgents();
  const service = authorityService({
    authority,
    connected,
    nowMs: Date.now,
    random: randomBytes,
    onAttestation: (id) => attestations.push(id),
  });
  const administration = adminService({
    ...{ authority, federation, bundleStore, connected, nowMs: Date.now, maxMintTtlMs: 240 * HOUR_MS },
    onRelations: () => federation.want([]),
    onCommand: (news) => commands.push(news),
  });
  const server = new GrpcServer({ services: [service, administration] });
  const path = join(directory, "authority.sock");
  await server.listen({ kind: "unix", path });
  const own = await svidOf(it);
  const listener = createServer({
    ...secureContextOptions(own, "TLSv1.3"),
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ["h2"],
  });
  server.attach(listener);
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const open = (channel: GrpcChannel): GrpcChannel => {
    cleanups.push(() => channel.close({ cut: true }));
    return channel;
  };
  cleanups.push(
    () => rmSync(directory, { recursive: true }),
    () => federation.close(),
    () => server.close(0),
  );
  const remote = (svid?: X509Svid): GrpcChannel => {
    const tls = { rejectUnauthorized: false, ...(svid === undefined ? {} : secureContextOptions(svid, "TLSv1.3")) };
    return open(new GrpcChannel({ address: { kind: "tcp", host: "127.0.0.1", port, tls } }));
  };
  return { ...it, local: open(new GrpcChannel({ address: { kind: "unix", path } })), remote, attestations, commands };
}

const newKeys = (): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } => generateKeyPairSync("ec", { namedCurve: "P-256" });
const spkiOf = (key: KeyObject): Uint8Array => key.export({ type: "spki", format: "der" });

async function svidOf({ authority }: TestAuthority, agent?: string): Promise<X509Svid> {
  const { publicKey, privateKey } = newKeys();
  const spki = spkiOf(publicKey);
  const issued =
    agent === undefined
      ? await authority.signOwn(["vigil", "authority"], spki, [])
      : await authority.signAgent(authority.agentIdOf(agent), spki);
  if (!issued.ok) throw issued.error;
  const svid = parseX509Svid(Buffer.concat(issued.value.certificates), privateKey.export({ type: "pkcs8", format: "der" }));
  if (!svid.ok) throw svid.error;
  return svid.value;
}

/** The messages of a stream as they come; the stream ends with the test. */
function following(channel: GrpcChannel): () => Promise<SyncResponse> {
  const stream = channel.serverStreaming(method.sync, {});
  cleanups.push(() => void stream.return?.());
  return async () => {
    const { done, value } = await stream.next();
    if (done === true) throw new Error("the stream has ended");
    return value;
  };
}

describe("signing over the unix socket", () => {
  test("each request of a batch is answered on its own", async () => {
    const it = await serve();
    const publicKey = spkiOf(newKeys().publicKey);
    const requests = [
      { entryId: "default/web", subject: { case: "publicKey" as const, value: publicKey } },
      { entryId: "default/none", subject: { case: "publicKey" as const, value: publicKey } },
      { entryId: "default/web", subject: { case: "csr" as const, value: publicKey } },
      { entryId: "default/web" },
    ];
    const { results } = await it.local.unary(method.signX509Svids, { requests });
    const shown = results.map(({ result }) =>
      result.case === "svid" ? result.value.spiffeId : `${result.value?.code} ${result.value?.reason}`,
    );
    expect(shown).toEqual(["spiffe://example.org/default/web", "5 IDENTITY_UNKNOWN_ENTRY", "3 IDENTITY_CSR", "3 IDENTITY_PUBLIC_KEY"]);
    const [first] = results;
    if (first?.result.case !== "svid") throw new Error("no SVID");
    expect(verifyX509Svid(first.result.value.certificates, it.authority, { nowMs: Date.now() }).ok).toBe(true);
  });

  test("a batch has a limit", async () => {
    const it = await serve();
    await expect(it.local.unary(method.signX509Svids, { requests: Array.from({ length: 501 }, () => ({})) })).rejects.toMatchObject({
      status: "INVALID_ARGUMENT",
    });
  });

  test("tokens are for their audience, and refusals are statuses", async () => {
    const it = await serve();
    const { token } = await it.local.unary(method.signJwtSvid, { entryId: "default/web", audience: ["db"] });
    expect(verifyJwtSvid(token, it.authority, { audiences: ["db"], nowMs: Date.now() }).ok).toBe(true);
    await expect(it.local.unary(method.signJwtSvid, { entryId: "default/web" })).rejects.toMatchObject({ status: "INVALID_ARGUMENT" });
    await expect(it.local.unary(method.signJwtSvid, { entryId: "x", audience: ["db"] })).rejects.toMatchObject({ status: "NOT_FOUND" });
  });
});

describe("following the state", () => {
  test("the full state comes first, and then each change and nothing else", async () => {
    const it = await serve();
    const next = following(it.local);
    const full = await next();
    expect(full).toMatchObject({ isFull: true, removedEntryIds: [], bundles: { trustDomain: "example.org" }, denials: { spiffeIds: [] } });
    expect(full.entries.map(({ id }) => id)).toEqual(["default/web"]);
    it.register(WEB + workloadYaml("db", "{selectors: ['unix:uid:2']}"));
    const added = await next();
    expect([added.isFull, added.bundles, added.denials]).toEqual([false, undefined, undefined]);
    expect(added.entries.map(({ id }) => id)).toEqual(["default/db"]);
    it.register(workloadYaml("web", "{selectors: ['unix:uid:1'], hint: new}"));
    const changed = await next();
    expect([changed.entries.map(({ hint }) => hint), changed.removedEntryIds]).toEqual([["new"], ["default/db"]]);
    await it.authority.deny({ spiffeIds: ["spiffe://example.org/bad"], serials: [], reason: "", remove: false });
    expect(await next()).toMatchObject({ entries: [], denials: { spiffeIds: ["spiffe://example.org/bad"] } });
    await it.authority.rotate([]);
    expect((await next()).entries[0]?.renewIssuedBeforeMs).toBeGreaterThan(0n);
    await it.authority.authorities.prepare("x509");
    expect((await next()).bundles?.documents["example.org"]).toBeDefined();
  });

  test("changes that do not concern an agent are not told to it", async () => {
    const it = await serve();
    const next = following(it.local);
    await next();
    it.register(`${WEB}${workloadYaml("edge", "{selectors: ['unix:uid:2'], agents: ['spiffe://example.org/vigil/agent/edge']}")}`);
    await it.authority.deny({ spiffeIds: [], serials: ["0a"], reason: "", remove: false });
    expect(await next()).toMatchObject({ entries: [], denials: { serials: ["0a"] } });
  });

  test("many entries come in parts that fit into messages", async () => {
    const resources = Array.from({ length: 600 }, (_, index) =>
      workloadYaml(`w${index}`, `{selectors: [${Array.from({ length: 8 }, (_, n) => `'a:${"x".repeat(600)}${index}-${n}'`).join(", ")}]}`),
    ).join("");
    const it = await serve({ resources });
    const next = following(it.local);
    const parts = [await next()];
    while (parts.at(-1)?.continues === true) parts.push(await next());
    expect(parts.length).toBeGreaterThan(1);
    expect(parts.map(({ isFull }) => isFull)).toEqual(parts.map((_, index) => index === 0));
    expect(parts.flatMap(({ entries }) => entries)).toHaveLength(600);
  });

  test("an agent that is denied is told nothing more", async () => {
    const it = await serve();
    const svid = await svidOf(it, "edge");
    const next = following(it.remote(svid));
    await next();
    await it.authority.deny({ spiffeIds: [svid.id], serials: [], reason: "", remove: false });
    await expect(next()).rejects.toMatchObject({ status: "PERMISSION_DENIED" });
    await expect(it.remote(svid).unary(method.signJwtSvid, { entryId: "default/web", audience: ["a"] })).rejects.toMatchObject({
      status: "PERMISSION_DENIED",
    });
  });
});

type Evidence = NonNullable<MessageInitShape<typeof AttestAgentRequestSchema>["step"]> & { readonly case: "evidence" };

/** Attests; `key` answers the challenge. */
async function attest(channel: GrpcChannel, kind: NonNullable<Evidence["value"]>["kind"], key?: KeyObject): Promise<AgentSvid> {
  const { publicKey } = newKeys();
  const challenged = Promise.withResolvers<Uint8Array>();
  async function* steps(): AsyncGenerator<MessageInitShape<typeof AttestAgentRequestSchema>> {
    yield { step: { case: "evidence", value: { publicKey: spkiOf(publicKey), ...(kind === undefined ? {} : { kind }) } } };
    if (key !== undefined) yield { step: { case: "challengeResponse", value: sign("sha256", await challenged.promise, key) } };
  }
  for await (const { step } of channel.bidiStreaming(method.attestAgent, steps())) {
    if (step.case === "challenge") challenged.resolve(step.value.toBeSigned);
    if (step.case === "result") return step.value;
  }
  throw new Error("the stream ended without an SVID");
}

describe("attesting a node over TLS", () => {
  test("a stranger may do nothing else", async () => {
    const it = await serve();
    const channel = it.remote();
    await expect(channel.unary(method.signJwtSvid, { entryId: "default/web", audience: ["a"] })).rejects.toMatchObject({
      status: "UNAUTHENTICATED",
    });
    await expect(following(channel)()).rejects.toMatchObject({ status: "UNAUTHENTICATED" });
    await expect(channel.unary(admin.showTrust, {})).rejects.toMatchObject({ status: "PERMISSION_DENIED" });
  });

  test("a join token makes an agent once", async () => {
    const it = await serve();
    const { token, agentId } = await it.local.unary(admin.createJoinToken, { agentName: "edge" });
    const { svid, bundles } = await attest(it.remote(), { case: "joinToken", value: token });
    expect(svid?.spiffeId).toBe(agentId);
    expect(bundles?.trustDomain).toBe("example.org");
    await expect(attest(it.remote(), { case: "joinToken", value: token })).rejects.toMatchObject({ status: "PERMISSION_DENIED" });
    await expect(attest(it.remote(), { case: "joinToken", value: "" })).rejects.toMatchObject({ status: "PERMISSION_DENIED" });
    expect(it.attestations).toEqual([agentId, undefined, undefined]);
  });

  test("an agent signs, follows and renews itself, and administers nothing", async () => {
    const it = await serve();
    const svid = await svidOf(it, "edge");
    const channel = it.remote(svid);
    const { token } = await channel.unary(method.signJwtSvid, { entryId: "default/web", audience: ["db"] });
    expect(token).not.toBe("");
    const renewed = await channel.unary(method.renewAgentSvid, { publicKey: spkiOf(newKeys().publicKey) });
    expect(renewed.svid?.spiffeId).toBe(svid.id);
    await expect(channel.unary(admin.showTrust, {})).rejects.toMatchObject({ status: "PERMISSION_DENIED" });
  });

  describe("by a certificate", () => {
    const ca = newKeys();
    const name = encodeCommonName("nodes");
    const issuer = localIssuer(name, spkiOf(ca.publicKey), ca.privateKey);
    const times = { notBeforeMs: Date.now() - HOUR_MS, notAfterMs: Date.now() + HOUR_MS };
    const root = issueCertificate({
      profile: { kind: "authority", pathLength: 0 },
      subject: name,
      publicKeyInfo: spkiOf(ca.publicKey),
      serial: randomBytes(16),
      ...times,
      issuer,
    });
    const node = newKeys();
    const leaf = issueCertificate({
      profile: { kind: "leaf", names: [{ kind: "dns", value: "node-1" }], usages: ["clientAuth"] },
      ...{ subject: encodeCommonName("node-1"), publicKeyInfo: spkiOf(node.publicKey), serial: randomBytes(16), ...times, issuer },
    });
    const pem = encodePem({ label: "CERTIFICATE", der: root }).replaceAll("\n", "\\n");
    const resources = trustDomainYaml(`{nodes: {x509Authorities: "${pem}"}}`) + WEB;
    const chain = { case: "x509Pop" as const, value: { certificates: [leaf] } };

    test("whose key the node proves to hold", async () => {
      const it = await serve({ resources });
      const first = await attest(it.remote(), chain, node.privateKey);
      expect(first.svid?.spiffeId).toMatch(/^spiffe:\/\/example\.org\/vigil\/agent\/x509-[0-9a-f]{40}$/);
      expect((await attest(it.remote(), chain, node.privateKey)).svid?.spiffeId).toBe(first.svid?.spiffeId);
    });
    test("not with another key, and not when its authority is not listed", async () => {
      const it = await serve({ resources });
      await expect(attest(it.remote(), chain, newKeys().privateKey)).rejects.toMatchObject({ status: "PERMISSION_DENIED" });
      const other = await serve();
      await expect(attest(other.remote(), chain, node.privateKey)).rejects.toMatchObject({ status: "PERMISSION_DENIED" });
    });
    test.each([0, 9])("not by %i certificates", async (count) => {
      const it = await serve({ resources });
      const certificates = Array.from({ length: count }, () => leaf);
      await expect(attest(it.remote(), { case: "x509Pop", value: { certificates } }, node.privateKey)).rejects.toMatchObject({
        status: "PERMISSION_DENIED",
      });
    });
  });

  test("an SVID is exchanged when the trust domain lists its identity", async () => {
    const it = await serve({ resources: trustDomainYaml("{nodes: {spiffeIds: ['spiffe://example.org/default/web']}}") + WEB });
    const { publicKey, privateKey } = newKeys();
    const { results } = await it.local.unary(method.signX509Svids, {
      requests: [{ entryId: "default/web", subject: { case: "publicKey", value: spkiOf(publicKey) } }],
    });
    const [first] = results;
    if (first?.result.case !== "svid") throw new Error("no SVID");
    const chain = { case: "spiffe" as const, value: { certificates: first.result.value.certificates } };
    expect((await attest(it.remote(), chain, privateKey)).svid?.spiffeId).toMatch(/\/vigil\/agent\/svid-[0-9a-f]{40}$/);
    it.register(WEB);
    await expect(attest(it.remote(), chain, privateKey)).rejects.toMatchObject({ status: "PERMISSION_DENIED" });
  });
});

describe("administration", () => {
  test("shows and changes authorities, and refuses in the authority's words", async () => {
    const it = await serve();
    const before = await it.local.unary(admin.showTrust, {});
    expect(before).toMatchObject({ trustDomain: "example.org", entryCount: 1 });
    const { authority } = await it.local.unary(admin.prepareAuthority, { kind: "jwt" });
    expect(authority).toMatchObject({ kind: "jwt", state: "prepared" });
    await expect(it.local.unary(admin.activateAuthority, { kind: "jwt" })).rejects.toMatchObject({
      status: "FAILED_PRECONDITION",
      message: expect.stringMatching(/^AUTHORITY_NOT_PUBLISHED: /),
    });
    await it.local.unary(admin.activateAuthority, { kind: "jwt", force: true });
    await expect(it.local.unary(admin.prepareAuthority, { kind: "pgp" })).rejects.toMatchObject({ status: "INVALID_ARGUMENT" });
    await expect(it.local.unary(admin.taintAuthority, { authorityId: "none" })).rejects.toMatchObject({ status: "NOT_FOUND" });
  });

  test("denies, and denies no longer", async () => {
    const it = await serve();
    const { denials } = await it.local.unary(admin.deny, { spiffeIds: ["spiffe://example.org/a"], serials: ["0aff"], reason: "stolen" });
    expect(denials).toMatchObject({ spiffeIds: ["spiffe://example.org/a"], serials: ["0aff"] });
    const after = await it.local.unary(admin.deny, { spiffeIds: ["spiffe://example.org/a"], remove: true });
    expect(after.denials).toMatchObject({ spiffeIds: [], serials: ["0aff"] });
    for (const wrong of [{ spiffeIds: ["a"] }, { spiffeIds: ["spiffe://example.org"] }, { serials: ["xyz"] }, {}])
      await expect(it.local.unary(admin.deny, wrong)).rejects.toMatchObject({ status: "INVALID_ARGUMENT" });
    expect(it.commands.map(({ action, message }) => [action, message])).toEqual([
      ["deny", "stolen"],
      ["allow again", ""],
    ]);
  });

  test("lists entries page by page", async () => {
    const it = await serve({
      resources: Array.from({ length: 5 }, (_, index) => workloadYaml(`w${index}`, "{selectors: ['a:b']}")).join(""),
    });
    const ids: string[] = [];
    let pageToken = "";
    do {
      const page = await it.local.unary(admin.listEntries, { pageToken, pageSize: 2 });
      ids.push(...page.entries.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(ids).toEqual([0, 1, 2, 3, 4].map((index) => `default/w${index}`));
  });

  test("mints within limits", async () => {
    const it = await serve();
    const publicKey = spkiOf(newKeys().publicKey);
    const { svid } = await it.local.unary(admin.mintX509Svid, {
      spiffeId: "spiffe://example.org/laptop",
      publicKey,
      ttlMs: 60_000n,
      dnsNames: ["laptop.local"],
    });
    expect(svid?.spiffeId).toBe("spiffe://example.org/laptop");
    const { token } = await it.local.unary(admin.mintJwtSvid, { spiffeId: "spiffe://example.org/ci", audience: ["a"] });
    expect(verifyJwtSvid(token, it.authority, { audiences: ["a"], nowMs: Date.now() }).ok).toBe(true);
    for (const wrong of [{ ttlMs: BigInt(2 * HOUR_MS) }, { ttlMs: 1n }, { dnsNames: ["Bad Name"] }, { spiffeId: "spiffe://example.org" }])
      await expect(
        it.local.unary(admin.mintX509Svid, { spiffeId: "spiffe://example.org/laptop", publicKey, ...wrong }),
      ).rejects.toMatchObject({ status: "INVALID_ARGUMENT" });
    const long = { spiffeId: "spiffe://example.org/laptop", publicKey, componentClass: "gateway" };
    const gateway = await it.local.unary(admin.mintX509Svid, { ...long, ttlMs: BigInt(24 * HOUR_MS) });
    expect(Number(gateway.svid?.notAfterMs) - Date.now()).toBeGreaterThan(23 * HOUR_MS);
    for (const wrong of [{ ttlMs: BigInt(25 * HOUR_MS) }, { componentClass: "boss" }, { componentClass: "constructor" }])
      await expect(it.local.unary(admin.mintX509Svid, { ...long, ...wrong })).rejects.toMatchObject({ status: "INVALID_ARGUMENT" });
    await expect(it.local.unary(admin.mintX509Svid, { spiffeId: "spiffe://other.org/a", publicKey })).rejects.toMatchObject({
      status: "PERMISSION_DENIED",
    });
  });
});
