/** A proxy of the node fetches identities of real processes behind it, by the Broker API. */
import { type ChildProcess, spawn } from "node:child_process";
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { type Any, anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { GrpcChannel } from "../../src/grpc/channel.ts";
import { ErrorInfoSchema } from "../../src/grpc/generated/google/rpc/error_details_pb.ts";
import { Health, HealthCheckResponse_ServingStatus } from "../../src/grpc/generated/grpc/health/v1/health_pb.ts";
import { GrpcError } from "../../src/grpc/grpc-error.ts";
import { localAuthority } from "../../src/identity/agent/authority-client.ts";
import { Accounts } from "../../src/identity/attestation/accounts.ts";
import { BinaryDigest } from "../../src/identity/attestation/binary-digest.ts";
import { unixAttestor } from "../../src/identity/attestation/unix-attestor.ts";
import { type BrokerServer, serveBrokers } from "../../src/identity/broker/broker-server.ts";
import { IdentityStore } from "../../src/service/identity-store.ts";
import { createServiceIdentity, type ServiceIdentity } from "../../src/service/service-identity.ts";
import { parseX509Bundle } from "../../src/spiffe/bundle.ts";
import {
  API,
  KubernetesObjectReferenceSchema,
  type SubscribeToX509SVIDResponse,
  WorkloadPIDReferenceSchema,
} from "../../src/spiffe/generated/spiffe/broker_pb.ts";
import { SpiffeWorkloadAPI } from "../../src/spiffe/generated/spiffe/workload_pb.ts";
import { parseTrustDomain } from "../../src/spiffe/spiffe-id.ts";
import { parseX509Svid, verifyX509Svid } from "../../src/spiffe/x509-svid.ts";
import { type Fixture, next, OWN_UID, startAgent } from "./agent-fixture.ts";
import type { TestEntry } from "./scripted-authority.ts";

/** However slow the machine is. */
const PATIENCE = { timeout: 20_000 };

const BROKER_ID = "spiffe://test.example/proxy";
const SLEEP = realpathSync("/bin/sleep");
const NODE = `unix:path:${realpathSync(process.execPath)}`;
const PROXY: TestEntry = { id: "proxy", spiffeId: BROKER_ID, selectors: [OWN_UID, NODE], brokerFor: ["spiffe://test.example/shop/*"] };
const SHOP: TestEntry = { id: "shop", spiffeId: "spiffe://test.example/shop/web", selectors: [`unix:path:${SLEEP}`] };
const BANK: TestEntry = { id: "bank", spiffeId: "spiffe://test.example/bank/vault", selectors: [`unix:path:${SLEEP}`, OWN_UID] };
const HEADER = { "broker.spiffe.io": "true" };
const METHODS = API.method;

const children: ChildProcess[] = [];
const cleanups: (() => unknown)[] = [];
let fixture: Fixture;
let served: BrokerServer;

beforeEach(async () => {
  fixture = await startAgent({ prepare: (authority) => authority.register(PROXY, SHOP) });
  const { agent, directory, authority, path } = fixture;
  const digests = new BinaryDigest();
  const client = localAuthority(authority.path);
  const attestors = [unixAttestor({ accounts: new Accounts(), digests, wantsDigest: () => agent.state.wantsDigest })];
  const shared = { agent, client, attestors, workloadPath: path, patienceMs: 200, onProblem: () => undefined };
  served = await serveBrokers({ ...shared, path: join(directory, "brokers/broker.sock") });
  await expect.poll(() => served.isReady, { timeout: 20_000 }).toBe(true);
  cleanups.push(async () => {
    await served.close(0);
    await client.close();
    await digests.close();
    await fixture.close();
  });
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** A process that waits, and its number. */
async function sleeper(): Promise<{ readonly pid: number; end(): void }> {
  const child = spawn(SLEEP, ["600"], { stdio: "ignore" });
  children.push(child);
  await new Promise((resolve) => child.once("spawn", resolve));
  return { pid: child.pid ?? 0, end: () => void child.kill("SIGKILL") };
}

/** What the agent gives this process by the Workload API: the identity with which it connects. */
async function ownIdentity(id: string): Promise<{ readonly identity: ServiceIdentity; readonly store: IdentityStore }> {
  const domain = parseTrustDomain("test.example");
  if (!domain.ok) throw domain.error;
  const { svids } = await next(fixture.channel().serverStreaming(SpiffeWorkloadAPI.method.fetchX509SVID, {}));
  const found = svids.find(({ spiffeId }) => spiffeId === id);
  if (found === undefined) throw new Error(`no ${id}`);
  const svid = parseX509Svid(found.x509Svid, found.x509SvidKey);
  const bundle = parseX509Bundle(found.bundle, domain.value);
  if (!svid.ok || !bundle.ok) throw new Error("what the agent sent cannot be read");
  const store = new IdentityStore({ svid: svid.value, bundles: new Map([[domain.value, bundle.value]]) });
  const identity = createServiceIdentity({ source: store });
  cleanups.push(() => identity.close());
  return { identity, store };
}

async function broker({
  id = BROKER_ID,
  metadata = HEADER,
}: {
  id?: string;
  metadata?: { [name: string]: string };
} = {}): Promise<GrpcChannel> {
  const { identity } = await ownIdentity(id);
  const connect = async () => {
    const target = { socketPath: served.path, alpnProtocols: ["h2"] };
    return (await identity.connect(target, (peer) => peer.id === fixture.authority.agentId)).socket;
  };
  const channel = new GrpcChannel({ address: { kind: "socket", authority: "broker", isTls: true, connect }, metadata });
  cleanups.push(() => channel.close({ cut: true }));
  return channel;
}

const pidReference = (pid: number): { reference: Any } => ({
  reference: anyPack(WorkloadPIDReferenceSchema, create(WorkloadPIDReferenceSchema, { pid })),
});
const x509 = (channel: GrpcChannel, pid: number): AsyncIterator<SubscribeToX509SVIDResponse, unknown> =>
  channel.serverStreaming(METHODS.subscribeToX509SVID, { reference: pidReference(pid) });

/** The status and the reason with which a call ended. */
async function endOf(call: Promise<unknown>): Promise<{ readonly status: string; readonly reason: string; readonly message: string }> {
  const thrown = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof GrpcError)) throw new Error(`expected a refusal, got ${String(thrown)}`);
  const info = thrown.details.map((detail) => anyUnpack(detail, ErrorInfoSchema)).find((found) => found !== undefined);
  if (info !== undefined) expect(info.domain).toBe("spiffe.io");
  return { status: thrown.status, reason: info?.reason ?? "", message: thrown.message };
}

describe("a broker gets", () => {
  test("the X.509-SVIDs of a process as long as it runs, and is told when it has ended", async () => {
    const channel = await broker();
    const { pid, end } = await sleeper();
    const stream = x509(channel, pid);
    const first = await next(stream);
    expect(first.svids.map(({ spiffeId }) => spiffeId)).toEqual([SHOP.spiffeId]);
    const [svid] = first.svids;
    const domain = parseTrustDomain("test.example");
    if (svid === undefined || !domain.ok) throw new Error("no SVID");
    const bundle = parseX509Bundle(svid.bundle, domain.value);
    const parsed = parseX509Svid(svid.x509Svid, svid.x509SvidKey);
    if (!parsed.ok || !bundle.ok) throw new Error("what the broker got cannot be read");
    const chain = parsed.value.certificates.map(({ der }) => der);
    expect(verifyX509Svid(chain, { bundleOf: () => bundle.value }, { nowMs: Date.now() })).toMatchObject({
      ok: true,
      value: { id: SHOP.spiffeId },
    });

    fixture.authority.rotateSvid("shop");
    const renewed = await next(stream);
    expect(Buffer.from(renewed.svids[0]?.x509Svid ?? [])).not.toEqual(Buffer.from(svid.x509Svid));
    const facts = { kind: "issued", spiffeId: SHOP.spiffeId, caller: { pid, executablePath: SLEEP, broker: BROKER_ID } };
    expect(fixture.events.filter(({ kind }) => kind === "issued")).toContainEqual(
      expect.objectContaining({ ...facts, caller: expect.objectContaining(facts.caller) }),
    );

    end();
    expect(await endOf(next(stream))).toMatchObject({ status: "NOT_FOUND", reason: "WORKLOAD_NOT_FOUND" });
    expect(await endOf(next(x509(channel, pid)))).toMatchObject({ status: "NOT_FOUND", reason: "WORKLOAD_NOT_FOUND" });
  });

  test("bundles and JWT-SVIDs, and a change of trust at once", async () => {
    const channel = await broker();
    const { pid } = await sleeper();
    const reference = pidReference(pid);
    const bundles: AsyncIterator<{ readonly bundles: { readonly [id: string]: Uint8Array } }, unknown> = channel.serverStreaming(
      METHODS.subscribeToX509Bundles,
      { reference },
    );
    const before = (await next(bundles)).bundles["spiffe://test.example"]?.length ?? 0;
    fixture.authority.rotateCa({ taint: false });
    expect((await next(bundles)).bundles["spiffe://test.example"]?.length ?? 0).toBeGreaterThan(before);
    const keys = await next(
      channel.serverStreaming(METHODS.subscribeToJWTBundles, { reference }) as AsyncIterator<
        { readonly bundles: { readonly [id: string]: Uint8Array } },
        unknown
      >,
    );
    expect(JSON.parse(Buffer.from(keys.bundles["spiffe://test.example"] ?? []).toString())).toMatchObject({ keys: [{ kid: "jwt-1" }] });
    const { svids } = await channel.unary(METHODS.fetchJWTSVID, { reference, audience: ["orders"] });
    expect(svids.map(({ spiffeId }) => spiffeId)).toEqual([SHOP.spiffeId]);
    expect(svids[0]?.svid.split(".")).toHaveLength(3);
  });

  test("health and reflection like everything else there: with the header, and as a broker", async () => {
    const channel = await broker();
    expect(await channel.unary(Health.method.check, { service: "spiffe.broker.API" })).toMatchObject({
      status: HealthCheckResponse_ServingStatus.SERVING,
    });
  });
});

describe("a broker is refused", () => {
  test("without the header, and without `brokerFor`, by name", async () => {
    const { pid } = await sleeper();
    expect(await endOf(next(x509(await broker({ metadata: {} }), pid)))).toMatchObject({ status: "INVALID_ARGUMENT" });
    fixture.authority.register({ id: "other", spiffeId: "spiffe://test.example/other", selectors: [OWN_UID, NODE] });
    await expect.poll(() => fixture.agent.state.entry("other"), PATIENCE).toBeDefined();
    const refused = await endOf(next(x509(await broker({ id: "spiffe://test.example/other" }), pid)));
    expect(refused).toMatchObject({ status: "PERMISSION_DENIED", message: expect.stringContaining("spiffe://test.example/other") });
    await expect
      .poll(() => fixture.events)
      .toContainEqual(
        expect.objectContaining({ kind: "refused", caller: expect.objectContaining({ broker: "spiffe://test.example/other" }) }),
      );
  });

  test("identities that its `brokerFor` does not name", async () => {
    fixture.authority.register(BANK);
    await expect.poll(() => fixture.agent.state.entry("bank"), PATIENCE).toBeDefined();
    const channel = await broker();
    const { pid } = await sleeper();
    expect((await next(x509(channel, pid))).svids.map(({ spiffeId }) => spiffeId)).toEqual([SHOP.spiffeId]);
    fixture.authority.remove("shop");
    await expect.poll(() => fixture.agent.state.entry("shop"), PATIENCE).toBeUndefined();
    expect(await endOf(next(x509(channel, pid)))).toMatchObject({
      reason: "WORKLOAD_NOT_ENTITLED",
      message: expect.stringContaining(BROKER_ID),
    });
    const call = channel.unary(METHODS.fetchJWTSVID, { reference: pidReference(pid), audience: ["a"], spiffeId: BANK.spiffeId });
    expect(await endOf(call)).toMatchObject({ status: "PERMISSION_DENIED", reason: "WORKLOAD_NOT_ENTITLED" });
  });

  test("on an open stream once its permission ends, and cut off once its identity is denied", async () => {
    const channel = await broker();
    const { pid } = await sleeper();
    const stream = x509(channel, pid);
    await next(stream);
    fixture.authority.register({ ...PROXY, brokerFor: [] });
    expect(await endOf(next(stream))).toMatchObject({ status: "PERMISSION_DENIED", message: expect.stringContaining(BROKER_ID) });
    fixture.authority.register(PROXY);
    await expect.poll(() => fixture.agent.state.entry("proxy")?.brokerFor, PATIENCE).toHaveLength(1);
    const again = x509(channel, pid);
    await next(again);
    fixture.authority.deny({ spiffeIds: [BROKER_ID] });
    expect(await endOf(next(again))).toMatchObject({ status: expect.stringMatching(/UNAVAILABLE|PERMISSION_DENIED/) });
  });

  test("a process that no entry matches, after the wait", async () => {
    const channel = await broker();
    fixture.authority.remove("shop");
    const { pid } = await sleeper();
    expect(await endOf(next(x509(channel, pid)))).toMatchObject({ status: "PERMISSION_DENIED", reason: "WORKLOAD_NOT_ENTITLED" });
  });

  test.each<[string, { reference: Any } | undefined, string]>([
    ["is missing", undefined, "expected a reference"],
    ["is no process ID", pidReference(-1), "positive process ID"],
    [
      "is of a kind that is not known here",
      { reference: anyPack(KubernetesObjectReferenceSchema, create(KubernetesObjectReferenceSchema, {})) },
      "WorkloadPIDReference",
    ],
    [
      "cannot be read",
      { reference: { ...anyPack(WorkloadPIDReferenceSchema, create(WorkloadPIDReferenceSchema, {})), value: Buffer.from([8]) } },
      "cannot be read",
    ],
  ])("a reference that %s", async (_, reference, message) => {
    const channel = await broker();
    const call = next(
      channel.serverStreaming(METHODS.subscribeToX509Bundles, reference === undefined ? {} : { reference }) as AsyncIterator<
        unknown,
        unknown
      >,
    );
    expect(await endOf(call)).toMatchObject({
      status: "INVALID_ARGUMENT",
      reason: "WORKLOAD_REFERENCE_INVALID",
      message: expect.stringContaining(message),
    });
  });
});

test("the endpoint is not put where workloads are", async () => {
  const { agent, authority, path, directory } = fixture;
  const client = localAuthority(authority.path);
  const options = { agent, client, attestors: [], workloadPath: path, onProblem: () => undefined };
  await expect(serveBrokers({ ...options, path: join(directory, "b.sock") })).rejects.toMatchObject({ code: "AGENT_SOCKET" });
  await client.close();
});
