/** An agent and its authority on two machines, as far as they can tell: TLS over a port, node attestation, renewal, restarts. */
import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type Server } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GrpcServer } from "../../src/grpc/server.ts";
import { Agent } from "../../src/identity/agent/agent.ts";
import type { AgentEvent } from "../../src/identity/agent/agent-event.ts";
import type { AgentIdentityNews } from "../../src/identity/agent/agent-identity.ts";
import type { EvidencePaths } from "../../src/identity/agent/node-evidence.ts";
import { openRemoteAuthority } from "../../src/identity/agent/remote-authority.ts";
import type { Authority } from "../../src/identity/authority/authority.ts";
import { authorityService } from "../../src/identity/authority/authority-service.ts";
import { ConnectedAgents } from "../../src/identity/authority/connected-agents.ts";
import { encodeNodeChallenge, isNodeChallenge } from "../../src/identity/node-challenge.ts";
import { EMPTY_NAME, encodeCommonName, issueCertificate, localIssuer } from "../../src/lib/certificate.ts";
import { encodeJson } from "../../src/lib/json.ts";
import { encodePem } from "../../src/lib/pem.ts";
import { secureContextOptions } from "../../src/service/tls-context.ts";
import { jsonOfTrustBundle } from "../../src/spiffe/bundle.ts";
import { parseX509Svid } from "../../src/spiffe/x509-svid.ts";
import { HOUR_MS, type TestAuthority, testAuthority, trustDomainOf, trustDomainYaml, workloadYaml } from "./authority-in-process.ts";

const WEB = workloadYaml("web", "{selectors: ['unix:uid:1']}");
const PATIENCE = { timeout: 20_000 };

let directory: string;
const cleanups: (() => unknown)[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "vigil-remote-"));
});
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
  rmSync(directory, { recursive: true });
});

const keys = (): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } => generateKeyPairSync("ec", { namedCurve: "P-256" });
const spkiOf = (key: KeyObject): Uint8Array => key.export({ type: "spki", format: "der" });
const file = (name: string, content: string): string => {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
};

interface Remote {
  readonly port: number;
  stop(): Promise<void>;
}

/** Serves on a port, under the name that the authority has there. */
async function serve({ authority }: TestAuthority, { port = 0, name = "authority" } = {}): Promise<Remote> {
  const own = keys();
  const issued = await authority.signOwn(["vigil", name], spkiOf(own.publicKey), []);
  if (!issued.ok) throw issued.error;
  const svid = parseX509Svid(Buffer.concat(issued.value.certificates), own.privateKey.export({ type: "pkcs8", format: "der" }));
  if (!svid.ok) throw svid.error;
  const service = authorityService({
    ...{ authority, connected: new ConnectedAgents(), nowMs: Date.now, random: randomBytes },
    onAttestation: () => undefined,
  });
  const server = new GrpcServer({ services: [service] });
  const tls = { requestCert: true, rejectUnauthorized: false, ALPNProtocols: ["h2"] };
  const listener: Server = createServer({ ...secureContextOptions(svid.value, "TLSv1.3"), ...tls });
  server.attach(listener);
  await new Promise<void>((resolve) => listener.listen(port, "127.0.0.1", resolve));
  const stop = async (): Promise<void> => void (await server.close(0));
  cleanups.push(stop);
  // A server that listens on a port has an address of this kind.
  return { port: (listener.address() as AddressInfo).port, stop };
}

const bundleFile = ({ authorities }: Authority): string => file("bundle.json", encodeJson(jsonOfTrustBundle(authorities.bundle)));
const tokenFile = async (authority: Authority): Promise<EvidencePaths> => ({
  kind: "join token",
  path: file("token", `${(await authority.createJoinToken("edge", HOUR_MS)).token}\n`),
});

interface RunningAgent {
  readonly agent: Agent;
  readonly news: readonly AgentIdentityNews[];
  readonly events: readonly AgentEvent[];
  stop(): Promise<void>;
}

async function run(port: number, evidence: EvidencePaths, firstBundlePath: string): Promise<RunningAgent> {
  const news: AgentIdentityNews[] = [];
  const events: AgentEvent[] = [];
  const client = await openRemoteAuthority({
    ...{ host: "127.0.0.1", port, trustDomain: trustDomainOf("example.org"), evidence, firstBundlePath },
    keptPath: join(directory, "agent", "identity.json"),
    onNews: (item) => news.push(item),
  });
  const agent = new Agent({ client, onEvent: (event) => events.push(event) });
  const stopping = new AbortController();
  const running = agent.run(stopping.signal);
  const stop = async (): Promise<void> => {
    stopping.abort();
    await running;
  };
  cleanups.push(stop);
  return { agent, news, events, stop };
}

const connected = (agent: Agent): Promise<void> => expect.poll(() => agent.link.state, PATIENCE).toBe("connected");
const problemOf = async (agent: Agent): Promise<string> => {
  await expect.poll(() => agent.link.problem, PATIENCE).toBeDefined();
  return agent.link.problem?.message ?? "";
};

test("a join token: the agent attests, follows and has workloads' SVIDs signed; after a restart it needs no other token", async () => {
  const it = await testAuthority({ resources: WEB, nowMs: Date.now });
  const { port } = await serve(it);
  const [token, bundle] = [await tokenFile(it.authority), bundleFile(it.authority)];
  const first = await run(port, token, bundle);
  await connected(first.agent);
  expect(first.news).toMatchObject([{ kind: "attested", agentId: "spiffe://example.org/vigil/agent/edge" }]);
  const [entry] = first.agent.state.entries();
  if (entry === undefined) throw new Error("no entry");
  await expect.poll(() => first.agent.x509.of(entry).credential, PATIENCE).toBeDefined();
  expect(statSync(join(directory, "agent", "identity.json")).mode & 0o777).toBe(0o600);
  await first.stop();
  const second = await run(port, token, bundle);
  await connected(second.agent);
  expect(second.news).toEqual([]);
});

test("a token that was used: refused with the authority's words, and a new one in the file is taken without a restart", async () => {
  const it = await testAuthority({ resources: WEB, nowMs: Date.now });
  const { port } = await serve(it);
  const [token, bundle] = [await tokenFile(it.authority), bundleFile(it.authority)];
  await it.authority.redeemJoinToken(readFileSync(join(directory, "token"), "utf8").trim());
  const { agent } = await run(port, token, bundle);
  expect(await problemOf(agent)).toContain("the join token is unknown, used or expired");
  expect(agent.link.problem?.status).toBe("PERMISSION_DENIED");
  await tokenFile(it.authority);
  await connected(agent);
});

test("the certificate of the node: its key is proved, and attested again when the authority forgot its keys", async () => {
  const [ca, node] = [keys(), keys()];
  const name = encodeCommonName("nodes");
  const issuer = localIssuer(name, spkiOf(ca.publicKey), ca.privateKey);
  const times = { notBeforeMs: Date.now() - HOUR_MS, notAfterMs: Date.now() + HOUR_MS, issuer };
  const profile = { kind: "authority", pathLength: 0 } as const;
  const root = issueCertificate({ profile, subject: name, publicKeyInfo: spkiOf(ca.publicKey), serial: randomBytes(16), ...times });
  const leaf = issueCertificate({
    profile: { kind: "leaf", names: [{ kind: "dns", value: "node-1" }], usages: ["clientAuth"] },
    ...{ subject: EMPTY_NAME, publicKeyInfo: spkiOf(node.publicKey), serial: randomBytes(16), ...times },
  });
  const pem = encodePem({ label: "CERTIFICATE", der: root }).replaceAll("\n", "\\n");
  const resources = trustDomainYaml(`{nodes: {x509Authorities: "${pem}"}}`) + WEB;
  const evidence: EvidencePaths = {
    kind: "certificate",
    certificatePath: file("node.pem", encodePem({ label: "CERTIFICATE", der: leaf })),
    keyPath: file("node.key", encodePem({ label: "PRIVATE KEY", der: node.privateKey.export({ type: "pkcs8", format: "der" }) })),
  };
  const before = await testAuthority({ resources, nowMs: Date.now });
  const remote = await serve(before);
  const { agent, news } = await run(remote.port, evidence, bundleFile(before.authority));
  await connected(agent);
  expect(news.map(({ kind }) => kind)).toEqual(["attested"]);
  await remote.stop();
  // Another authority altogether, whose bundle the operator brings.
  const after = await testAuthority({ resources, nowMs: Date.now });
  bundleFile(after.authority);
  await serve(after, { port: remote.port });
  await expect.poll(() => news.filter(({ kind }) => kind === "attested").length, PATIENCE).toBe(2);
  await connected(agent);
});

test("an SVID that the agent has from elsewhere is exchanged", async () => {
  const spiffeId = "spiffe://example.org/default/web";
  const it = await testAuthority({ resources: trustDomainYaml(`{nodes: {spiffeIds: ['${spiffeId}']}}`) + WEB, nowMs: Date.now });
  const { port } = await serve(it);
  const held = keys();
  const requester = { name: "test", agentId: it.authority.agentIdOf("local") };
  const signed = await it.authority.signX509("default/web", { kind: "public key", der: spkiOf(held.publicKey) }, requester);
  if (!signed.ok) throw signed.error;
  const chain = signed.value.certificates.map((der) => encodePem({ label: "CERTIFICATE", der })).join("");
  const evidence: EvidencePaths = {
    kind: "certificate",
    certificatePath: file("svid.pem", chain),
    keyPath: file("svid.key", encodePem({ label: "PRIVATE KEY", der: held.privateKey.export({ type: "pkcs8", format: "der" }) })),
  };
  const { agent, news } = await run(port, evidence, bundleFile(it.authority));
  await connected(agent);
  expect(news).toMatchObject([{ kind: "attested", agentId: expect.stringContaining("/vigil/agent/svid-") }]);
});

test("whoever is not the authority gets no token: a workload of its own trust domain least of all", async () => {
  const it = await testAuthority({ resources: WEB, nowMs: Date.now });
  const { port } = await serve(it, { name: "impostor" });
  const { agent } = await run(port, await tokenFile(it.authority), bundleFile(it.authority));
  expect(await problemOf(agent)).toContain("is `spiffe://example.org/vigil/impostor`, not the authority");
  const unspent = readFileSync(join(directory, "token"), "utf8").trim();
  expect(await it.authority.redeemJoinToken(unspent)).toBeDefined();
});

test("an authority of another trust, or no bundle to verify it with: the agent says so", async () => {
  const [it, other] = [await testAuthority({ resources: WEB, nowMs: Date.now }), await testAuthority({ nowMs: Date.now })];
  const { port } = await serve(it);
  const token = await tokenFile(it.authority);
  const stranger = await run(port, token, bundleFile(other.authority));
  expect(await problemOf(stranger.agent)).toContain("is not the authority");
  await stranger.stop();
  rmSync(join(directory, "agent"), { recursive: true, force: true });
  const blind = await run(port, token, join(directory, "absent.json"));
  expect(await problemOf(blind.agent)).toContain("cannot verify the authority");
});

test("when who signed the agent's SVID is tainted, it is renewed, and calls go over a connection that presents the new one", async () => {
  const it = await testAuthority({ resources: WEB, nowMs: Date.now });
  const { port } = await serve(it);
  const { agent, news, events } = await run(port, await tokenFile(it.authority), bundleFile(it.authority));
  await connected(agent);
  const { id } = it.authority.authorities.certificateSigner().record;
  await it.authority.authorities.prepare("x509");
  await it.authority.authorities.activate("x509", undefined, true);
  await it.authority.authorities.taint(id);
  await expect.poll(() => news.some(({ kind }) => kind === "renewed"), PATIENCE).toBe(true);
  it.register(WEB + workloadYaml("late", "{selectors: ['unix:uid:2']}"));
  await expect.poll(() => agent.state.entryCount, PATIENCE).toBe(2);
  // Nobody heard of an outage.
  expect(events.filter(({ kind }) => kind === "authority lost")).toEqual([]);
});

test("a challenge is signed only when it is one, and about the agent's own key", () => {
  const [mine, others] = [spkiOf(keys().publicKey), spkiOf(keys().publicKey)];
  const challenge = encodeNodeChallenge(randomBytes, mine);
  expect(isNodeChallenge(challenge, mine)).toBe(true);
  expect(isNodeChallenge(challenge, others)).toBe(false);
  expect(isNodeChallenge(challenge.subarray(1), mine)).toBe(false);
  expect(isNodeChallenge(Buffer.concat([challenge, Buffer.alloc(1)]), mine)).toBe(false);
  expect(isNodeChallenge(Buffer.alloc(challenge.length), mine)).toBe(false);
});
