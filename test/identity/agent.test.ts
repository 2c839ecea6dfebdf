/** The agent between a real authority and real callers: this process, which is a registered workload by its user. */
import { createPrivateKey } from "node:crypto";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import type { GrpcChannel } from "../../src/grpc/channel.ts";
import { Health, type HealthCheckResponse, HealthCheckResponse_ServingStatus } from "../../src/grpc/generated/grpc/health/v1/health_pb.ts";
import { GrpcError } from "../../src/grpc/grpc-error.ts";
import { listenForWorkloads } from "../../src/identity/agent/workload-server.ts";
import { SecretSchema } from "../../src/identity/generated/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import { SPIFFECertValidatorConfigSchema } from "../../src/identity/generated/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.ts";
import { SecretDiscoveryService } from "../../src/identity/generated/envoy/service/secret/v3/sds_pb.ts";
import { parsePem } from "../../src/lib/pem.ts";
import { Agent as AgentDescription } from "../../src/service/generated/vigil/agent/v1/agent_pb.ts";
import { parseJwtBundle, parseTrustBundle, parseX509Bundle } from "../../src/spiffe/bundle.ts";
import { SpiffeWorkloadAPI, type X509SVIDResponse } from "../../src/spiffe/generated/spiffe/workload_pb.ts";
import { verifyJwtSvid } from "../../src/spiffe/jwt-svid.ts";
import { parseTrustDomain } from "../../src/spiffe/spiffe-id.ts";
import { verifyWitSvid } from "../../src/spiffe/wit-svid.ts";
import { parseX509Svid, verifyX509Svid } from "../../src/spiffe/x509-svid.ts";
import { type Fixture, type FixtureOptions, next, OWN_UID, startAgent } from "./agent-fixture.ts";
import { makeCa, type ScriptedAuthority, type TestEntry } from "./scripted-authority.ts";

const METHODS = SpiffeWorkloadAPI.method;
const WEB: TestEntry = { id: "web", spiffeId: "spiffe://test.example/web", selectors: [OWN_UID] };
const OTHER: TestEntry = { id: "zebra", spiffeId: "spiffe://test.example/zebra", selectors: [OWN_UID], hint: "second" };
const STRANGER: TestEntry = { id: "stranger", spiffeId: "spiffe://test.example/stranger", selectors: ["unix:uid:4711"] };

let fixture: Fixture | undefined;
afterEach(async () => {
  await fixture?.close();
  fixture = undefined;
});

async function start(options: FixtureOptions = {}): Promise<Fixture> {
  fixture = await startAgent({ prepare: (authority) => authority.register(WEB, OTHER, STRANGER), ...options });
  return fixture;
}

const x509 = (channel: GrpcChannel): AsyncIterator<X509SVIDResponse, unknown> => channel.serverStreaming(METHODS.fetchX509SVID, {});
const idsOf = (message: X509SVIDResponse): readonly string[] => message.svids.map(({ spiffeId }) => spiffeId);

function verified(message: X509SVIDResponse, index: number, nowMs = Date.now()): { id: string; validUntilMs: number; serial: string } {
  const svid = message.svids[index];
  const domain = parseTrustDomain("test.example");
  if (svid === undefined || !domain.ok) throw new Error("no such SVID");
  const parsed = parseX509Svid(svid.x509Svid, svid.x509SvidKey, svid.hint);
  const bundle = parseX509Bundle(svid.bundle, domain.value);
  if (!parsed.ok) throw parsed.error;
  if (!bundle.ok) throw bundle.error;
  const chain = parsed.value.certificates.map(({ der }) => der);
  const result = verifyX509Svid(chain, { bundleOf: () => bundle.value }, { nowMs });
  if (!result.ok) throw result.error;
  return { ...result.value, serial: parsed.value.certificates[0].serial.toString(16).padStart(32, "0") };
}

const failing = (status: string, message = /./): unknown => expect.objectContaining({ status, message: expect.stringMatching(message) });

describe("X.509-SVIDs", () => {
  test("reach a registered workload: its own, each with its key, and nobody else's", async () => {
    const { channel } = await start();
    const message = await next(x509(channel()));
    expect(idsOf(message)).toEqual([WEB.spiffeId, OTHER.spiffeId]);
    expect(message.svids.map(({ hint }) => hint)).toEqual(["", "second"]);
    expect([verified(message, 0).id, verified(message, 1).id]).toEqual([WEB.spiffeId, OTHER.spiffeId]);
  });

  test("are the same for every stream, until they are renewed", async () => {
    const { channel, authority, agent } = await start();
    const [one, two] = [x509(channel()), x509(channel())];
    const [first, second] = [await next(one), await next(two)];
    expect(first).toEqual(second);
    const before = verified(first, 0).serial;
    authority.rotateSvid("web");
    const [renewed, again] = [await next(one), await next(two)];
    expect(renewed).toEqual(again);
    expect(verified(renewed, 0).serial).not.toBe(before);
    expect(verified(renewed, 1).serial).toBe(verified(first, 1).serial);
    expect(agent.watchers.size).toBe(2);
  });

  test("come and go with the registration, and nothing is sent that did not change", async () => {
    const { channel, authority } = await start();
    const stream = x509(channel());
    expect(idsOf(await next(stream))).toHaveLength(2);
    authority.remove("zebra");
    expect(idsOf(await next(stream))).toEqual([WEB.spiffeId]);
    authority.register({ ...STRANGER, x509TtlMs: 1_000_000 });
    authority.register(OTHER);
    expect(idsOf(await next(stream))).toEqual([WEB.spiffeId, OTHER.spiffeId]);
    authority.remove("web", "zebra");
    await expect(next(stream)).rejects.toEqual(failing("PERMISSION_DENIED", /no identity issued/));
  });

  test("carry the bundles of the trust domains that an identity federates with, and of no other", async () => {
    const { channel, authority } = await start({
      prepare: (made: ScriptedAuthority) => {
        for (const name of ["partner.example", "hidden.example"]) {
          const domain = parseTrustDomain(name);
          if (domain.ok) made.federated.set(domain.value, [makeCa(Date.now).certificate]);
        }
        made.register({ ...WEB, federatesWith: ["partner.example"] });
      },
    });
    const stream = x509(channel());
    expect(Object.keys((await next(stream)).federatedBundles)).toEqual(["spiffe://partner.example"]);
    const bundles = channel().serverStreaming(METHODS.fetchX509Bundles, {});
    expect(Object.keys((await next(bundles)).bundles)).toEqual(["spiffe://test.example", "spiffe://partner.example"]);
    // Redaction by absence: what is not in the next message is not trusted any more.
    authority.federated.clear();
    authority.pushBundles();
    expect((await next(stream)).federatedBundles).toEqual({});
    expect(Object.keys((await next(bundles)).bundles)).toEqual(["spiffe://test.example"]);
  });

  test("of a tainted authority are renewed at once, after its successor is in every bundle", async () => {
    const { channel, authority } = await start();
    const stream = x509(channel());
    const before = await next(stream);
    authority.rotateCa({ taint: true });
    const withBundle = await next(stream);
    expect(withBundle.svids[0]?.bundle.length).toBeGreaterThan(before.svids[0]?.bundle.length ?? 0);
    let latest = withBundle;
    while (latest.svids.some(({ x509Svid }, index) => Buffer.compare(x509Svid, before.svids[index]?.x509Svid ?? Buffer.alloc(0)) === 0))
      latest = await next(stream);
    expect(verified(latest, 0).id).toBe(WEB.spiffeId);
  });

  test("of a large machine are cached up to a limit, those in use for certain", async () => {
    const { channel, agent, authority } = await start({ agent: { softLimit: 3 } });
    const stream = x509(channel());
    await next(stream);
    authority.register(...Array.from({ length: 20 }, (_, index) => ({ ...STRANGER, id: `s${index}` })));
    await expect.poll(() => agent.state.entryCount).toBe(23);
    expect(agent.x509.size).toBeLessThanOrEqual(3);
    authority.rotateSvid("web");
    expect(idsOf(await next(stream))).toEqual([WEB.spiffeId, OTHER.spiffeId]);
  });

  test("of a wrong kind are not served, and the mistake is told", async () => {
    const { channel, authority, events } = await start({ prepare: () => {} });
    authority.sign = () => ({
      spiffeId: "",
      certificates: [Buffer.from("nonsense")],
      serial: "",
      notBeforeMs: 0n,
      notAfterMs: 0n,
      authorityId: "",
      hint: "",
    });
    authority.register(WEB);
    await expect(next(x509(channel()))).rejects.toEqual(failing("UNAVAILABLE", /signed a wrong SVID/));
    expect(events).toContainEqual(expect.objectContaining({ kind: "renewal failed", spiffeId: WEB.spiffeId }));
  });
});

describe("a workload without identity", () => {
  test("is refused after a bounded time, and the refusal says for whom", async () => {
    const { channel, events } = await start({ prepare: (authority) => authority.register(STRANGER), server: { patienceMs: 50 } });
    const refusal = failing("PERMISSION_DENIED", new RegExp(`no registered workload matches process ${process.pid} \\(user 0`));
    await expect(next(x509(channel()))).rejects.toEqual(refusal);
    await expect(next(channel().serverStreaming(METHODS.fetchX509Bundles, {}))).rejects.toEqual(refusal);
    await expect(channel().unary(METHODS.fetchJWTSVID, { audience: ["a"] })).rejects.toEqual(refusal);
    await expect(channel().unary(METHODS.validateJWTSVID, { audience: "a", svid: "x" })).rejects.toEqual(failing("PERMISSION_DENIED"));
    expect(events).toContainEqual(
      expect.objectContaining({
        kind: "refused",
        status: "PERMISSION_DENIED",
        caller: expect.objectContaining({ pid: process.pid }),
        selectors: expect.arrayContaining([OWN_UID]),
      }),
    );
  });

  test("gets it on the stream that it has open, once it is registered", async () => {
    const { channel, authority } = await start({ prepare: () => {}, server: { patienceMs: 20_000 } });
    const waiting = next(x509(channel()));
    await expect.poll(() => authority.calls.sync).toBe(1);
    authority.register(WEB);
    expect(idsOf(await waiting)).toEqual([WEB.spiffeId]);
  });

  test("is told that the agent knows nothing yet, while that is so", async () => {
    const { channel } = await start({ isAuthorityUp: false, server: { patienceMs: 50 } });
    await expect(next(x509(channel()))).rejects.toEqual(failing("UNAVAILABLE", /not heard from its authority/));
  });
});

describe("JWT-SVIDs", () => {
  test("are signed for the audiences, cached whatever their order, and verified by the bundle", async () => {
    const { channel, authority } = await start({ prepare: (made) => made.register(WEB, OTHER) });
    const calls = channel();
    const { svids } = await calls.unary(METHODS.fetchJWTSVID, { audience: ["b", "a"], spiffeId: WEB.spiffeId });
    expect(svids).toHaveLength(1);
    const again = await calls.unary(METHODS.fetchJWTSVID, { audience: ["a", "b"], spiffeId: WEB.spiffeId });
    expect(again.svids[0]?.svid).toBe(svids[0]?.svid);
    expect(authority.calls.jwt).toBe(1);
    // Two audiences are not one that is joined.
    await calls.unary(METHODS.fetchJWTSVID, { audience: ["ab"], spiffeId: WEB.spiffeId });
    expect(authority.calls.jwt).toBe(2);
    expect((await calls.unary(METHODS.fetchJWTSVID, { audience: ["ab"] })).svids.map(({ spiffeId }) => spiffeId)).toEqual([
      WEB.spiffeId,
      OTHER.spiffeId,
    ]);
    const domain = parseTrustDomain("test.example");
    const { bundles } = await next(calls.serverStreaming(METHODS.fetchJWTBundles, {}));
    if (!domain.ok) throw domain.error;
    const bundle = parseJwtBundle(bundles["spiffe://test.example"] ?? new Uint8Array(), domain.value);
    if (!bundle.ok) throw bundle.error;
    expect(bundle.value.x509Authorities).toEqual([]);
    expect(verifyJwtSvid(svids[0]?.svid ?? "", { bundleOf: () => bundle.value }, { audiences: ["a"], nowMs: Date.now() })).toMatchObject({
      ok: true,
    });
  });

  test("are validated for a workload", async () => {
    const { channel } = await start();
    const calls = channel();
    const { svids } = await calls.unary(METHODS.fetchJWTSVID, { audience: ["a"], spiffeId: WEB.spiffeId });
    const svid = svids[0]?.svid ?? "";
    const answer = await calls.unary(METHODS.validateJWTSVID, { audience: "a", svid });
    expect(answer).toMatchObject({ spiffeId: WEB.spiffeId, claims: { sub: WEB.spiffeId, aud: "a" } });
    await expect(calls.unary(METHODS.validateJWTSVID, { audience: "b", svid })).rejects.toEqual(
      failing("INVALID_ARGUMENT", /jwt-audience/),
    );
    await expect(calls.unary(METHODS.validateJWTSVID, { audience: "a", svid: `${svid.slice(0, -4)}AAAA` })).rejects.toEqual(
      failing("INVALID_ARGUMENT"),
    );
  });

  test.each([
    ["no audience", { audience: [] }, "INVALID_ARGUMENT"],
    ["an empty audience", { audience: ["a", ""] }, "INVALID_ARGUMENT"],
    ["too many audiences", { audience: Array.from({ length: 65 }, String) }, "INVALID_ARGUMENT"],
    ["an audience that is too long", { audience: ["a".repeat(3_000)] }, "INVALID_ARGUMENT"],
    ["another's SPIFFE ID", { audience: ["a"], spiffeId: STRANGER.spiffeId }, "PERMISSION_DENIED"],
    ["what is no SPIFFE ID", { audience: ["a"], spiffeId: "web" }, "PERMISSION_DENIED"],
  ])("are refused with %s", async (_name, request, status) => {
    const { channel } = await start();
    await expect(channel().unary(METHODS.fetchJWTSVID, request)).rejects.toEqual(failing(status));
  });

  test("are renewed ahead while somebody asks, and served although the authority is gone", async () => {
    let nowMs = Date.now();
    const { channel, authority, agent } = await start({ clock: () => nowMs });
    const calls = channel();
    const fetch = async (): Promise<string> =>
      (await calls.unary(METHODS.fetchJWTSVID, { audience: ["a"], spiffeId: WEB.spiffeId })).svids[0]?.svid ?? "";
    const first = await fetch();
    expect(await fetch()).toBe(first);
    nowMs += 160_000;
    agent.jwt.renewDue();
    await expect.poll(() => authority.calls.jwt).toBe(2);
    await expect.poll(fetch).not.toBe(first);
    const second = await fetch();
    await authority.stop();
    nowMs += 280_000;
    expect(await fetch()).toBe(second);
    nowMs += 30_000;
    await expect(fetch()).rejects.toEqual(failing("UNAVAILABLE"));
  });
});

test("WIT-SVIDs are bound to a key that the workload gets", async () => {
  const { channel } = await start();
  const message = await next(channel().serverStreaming(METHODS.fetchWITSVID, { spiffeId: WEB.spiffeId }));
  expect(message.svids).toHaveLength(1);
  const [svid] = message.svids;
  const { bundles } = await next(channel().serverStreaming(METHODS.fetchWITBundles, {}));
  const domain = parseTrustDomain("test.example");
  if (!domain.ok) throw domain.error;
  const bundle = parseTrustBundle(Buffer.from(bundles["spiffe://test.example"] ?? ""), domain.value);
  if (!bundle.ok) throw bundle.error;
  const wit = verifyWitSvid(svid?.witSvid ?? "", { bundleOf: () => bundle.value }, { nowMs: Date.now(), provesPossession: () => true });
  if (!wit.ok) throw wit.error;
  expect(wit.value.id).toBe(WEB.spiffeId);
  const key = createPrivateKey({ format: "jwk", key: JSON.parse(svid?.witSvidKey ?? "{}") });
  const { x, y } = key.export({ format: "jwk" });
  expect(wit.value.confirmation.publicKey.export({ format: "jwk" })).toMatchObject({ x, y });
});

describe("the security header", () => {
  test.each([{}, { "workload.spiffe.io": "True" }, { "workload.spiffe.io": "1" }])("must be there: %j", async (metadata) => {
    const { channel } = await start();
    await expect(next(x509(channel(metadata)))).rejects.toEqual(failing("INVALID_ARGUMENT", /workload\.spiffe\.io/));
    await expect(channel(metadata).unary(METHODS.fetchJWTSVID, { audience: ["a"] })).rejects.toEqual(failing("INVALID_ARGUMENT"));
  });
});

describe("revocation", () => {
  test("of an identity ends what it was given, and verifiers are told", async () => {
    const { channel, authority } = await start({ prepare: (made) => made.register(WEB) });
    const stream = x509(channel());
    const revocations = channel().serverStreaming(AgentDescription.method.watchRevocations, {});
    await next(stream);
    expect(await next(revocations)).toMatchObject({ spiffeIds: [], serials: [], authorityIds: [], trustDomain: "test.example" });
    authority.deny({ spiffeIds: [WEB.spiffeId] });
    await expect(next(stream)).rejects.toEqual(failing("PERMISSION_DENIED", /revoked/));
    expect(await next(revocations)).toMatchObject({ spiffeIds: [WEB.spiffeId] });
    await expect(channel().unary(METHODS.fetchJWTSVID, { audience: ["a"] })).rejects.toEqual(failing("PERMISSION_DENIED", /revoked/));
    authority.deny({ spiffeIds: [] });
    expect(idsOf(await next(x509(channel())))).toEqual([WEB.spiffeId]);
  });

  test("of a serial has another certificate signed", async () => {
    const { channel, authority } = await start({ prepare: (made) => made.register(WEB) });
    const stream = x509(channel());
    const { serial } = verified(await next(stream), 0);
    authority.deny({ serials: [serial] });
    expect(verified(await next(stream), 0).serial).not.toBe(serial);
  });

  test("of an authority has everything signed by another, at once", async () => {
    const { channel, authority } = await start({ prepare: (made) => made.register(WEB) });
    const stream = x509(channel());
    const { serial } = verified(await next(stream), 0);
    const old = authority.rotateCa({ taint: false });
    authority.authorities = authority.authorities.filter((ca) => ca !== old);
    authority.deny({ authorityIds: [old.id] });
    authority.pushBundles();
    let latest = await next(stream);
    while (latest.svids[0]?.bundle.length !== authority.ca.certificate.der.length) latest = await next(stream);
    expect(verified(latest, 0).serial).not.toBe(serial);
  });

  test("that the authority has not told yet is not told as nothing", async () => {
    const { channel, authority } = await start({ isAuthorityUp: false });
    const first = next(channel().serverStreaming(AgentDescription.method.watchRevocations, {}));
    authority.deny({ spiffeIds: [WEB.spiffeId] });
    await authority.start();
    expect(await first).toMatchObject({ spiffeIds: [WEB.spiffeId] });
  });
});

describe("Envoy", () => {
  const secret = (resource: Parameters<typeof anyUnpack>[0] | undefined): ReturnType<typeof anyUnpack<typeof SecretSchema>> =>
    resource === undefined ? undefined : anyUnpack(resource, SecretSchema);
  const blocks = (bytes: Uint8Array | undefined): readonly string[] => {
    const pem = parsePem(Buffer.from(bytes ?? []).toString());
    return pem.ok ? pem.value.map(({ label }) => label) : [];
  };

  /** Requests that the test makes one after the other. */
  function requests(): {
    push: (request: { resourceNames: string[]; responseNonce?: string }) => void;
    end: () => void;
    stream: AsyncIterable<{ resourceNames: string[] }>;
  } {
    const queue: { resourceNames: string[] }[] = [];
    let wake = (): void => {};
    let isOver = false;
    return {
      push: (request) => {
        queue.push(request);
        wake();
      },
      end: () => {
        isOver = true;
        wake();
      },
      stream: (async function* () {
        for (;;) {
          const request = queue.shift();
          if (request !== undefined) yield request;
          else if (isOver) return;
          else
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
        }
      })(),
    };
  }

  test("gets certificate, authorities and the SPIFFE validator by name", async () => {
    const { channel } = await start();
    const { resources } = await channel().unary(SecretDiscoveryService.method.fetchSecrets, {
      resourceNames: ["default", "ROOTCA", "ALL"],
    });
    const [all, rootca, certificate] = resources.map(secret);
    expect([all?.name, rootca?.name, certificate?.name]).toEqual(["ALL", "ROOTCA", "default"]);
    if (certificate?.type.case !== "tlsCertificate" || rootca?.type.case !== "validationContext" || all?.type.case !== "validationContext")
      throw new Error("wrong kinds");
    expect(blocks(certificate.type.value.certificateChain?.specifier.value as Uint8Array)).toEqual(["CERTIFICATE"]);
    expect(blocks(certificate.type.value.privateKey?.specifier.value as Uint8Array)).toEqual(["PRIVATE KEY"]);
    expect(blocks(rootca.type.value.trustedCa?.specifier.value as Uint8Array)).toEqual(["CERTIFICATE"]);
    const config = all.type.value.customValidatorConfig;
    expect(config?.name).toBe("envoy.tls.cert_validator.spiffe");
    expect(config?.typedConfig === undefined ? undefined : anyUnpack(config.typedConfig, SPIFFECertValidatorConfigSchema)).toMatchObject({
      trustDomains: [{ name: "test.example" }],
    });
    await expect(channel().unary(SecretDiscoveryService.method.fetchSecrets, { resourceNames: [STRANGER.spiffeId] })).rejects.toEqual(
      failing("INVALID_ARGUMENT"),
    );
  });

  test("follows renewals; acknowledgements ask for nothing, other names for an answer", async () => {
    const { channel, authority } = await start();
    const { push, end, stream: sent } = requests();
    const stream = channel().bidiStreaming(SecretDiscoveryService.method.streamSecrets, sent);
    push({ resourceNames: [WEB.spiffeId] });
    const first = await next(stream);
    expect(first.resources.map((resource) => secret(resource)?.name)).toEqual([WEB.spiffeId]);
    push({ resourceNames: [WEB.spiffeId], responseNonce: first.nonce });
    authority.rotateSvid("web");
    const second = await next(stream);
    expect(second.versionInfo).not.toBe(first.versionInfo);
    expect(second.resources).not.toEqual(first.resources);
    push({ resourceNames: ["ROOTCA"], responseNonce: second.nonce });
    expect((await next(stream)).resources.map((resource) => secret(resource)?.name)).toEqual(["ROOTCA"]);
    push({ resourceNames: ["nothing"] });
    await expect(next(stream)).rejects.toEqual(failing("INVALID_ARGUMENT", /nothing/));
    end();
  });
});

describe("limits of a caller", () => {
  test("end what is too much and leave the rest", async () => {
    const { channel } = await start({ server: { limits: { maxStreams: 2 } } });
    const streams = [x509(channel()), x509(channel())];
    for (const stream of streams) await next(stream);
    await expect(next(x509(channel()))).rejects.toEqual(failing("RESOURCE_EXHAUSTED", /streams open/));
    await streams[0]?.return?.();
    await expect
      .poll(async () =>
        next(x509(channel())).then(
          () => "open",
          () => "refused",
        ),
      )
      .toBe("open");
  });

  test("bound connections, each counted until it is gone", async () => {
    const { channel } = await start({ server: { limits: { maxConnections: 1 } } });
    const first = channel();
    await next(x509(first));
    await expect(next(x509(channel()))).rejects.toEqual(failing("RESOURCE_EXHAUSTED", /connections/));
    await first.close({ cut: true });
    await expect
      .poll(async () =>
        next(x509(channel())).then(
          () => "open",
          () => "refused",
        ),
      )
      .toBe("open");
  });

  test("bound calls and signatures a second", async () => {
    const { channel } = await start({ server: { limits: { callsPerSecond: 1_000, signingsPerSecond: 2 } } });
    const calls = channel();
    const outcomes = await Promise.allSettled(
      ["a", "b", "c", "d", "e"].map((name) => calls.unary(METHODS.fetchJWTSVID, { audience: [name] })),
    );
    expect(outcomes.filter(({ status }) => status === "rejected").length).toBeGreaterThanOrEqual(2);
    expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBeGreaterThanOrEqual(2);
  });
});

test("what it is and who the caller is, it tells people", async () => {
  const { channel, authority, metrics } = await start();
  await next(x509(channel()));
  const { caller, agent } = await channel().unary(AgentDescription.method.describe, {});
  expect(caller).toMatchObject({
    pid: process.pid,
    refusal: "",
    identities: [{ spiffeId: WEB.spiffeId, workload: "default/web" }, { spiffeId: OTHER.spiffeId }],
  });
  expect(agent).toMatchObject({ trustDomain: "test.example", authorityState: "connected", entryCount: 3 });
  expect(agent?.x509Authorities).toEqual([expect.objectContaining({ id: authority.ca.id, isActive: true, isTainted: false })]);
  expect(metrics.expose()).toMatch(/^vigil_agent_authority_connected 1$/m);
  expect(metrics.expose()).toMatch(/^vigil_agent_identity_minutes_left [\d.]+$/m);
});

describe("the socket", () => {
  test("is refused where others could replace it, and where it is no socket", async () => {
    const { server, directory } = await start();
    const open = join(directory, "open");
    mkdirSync(open);
    chmodSync(open, 0o1777);
    await expect(listenForWorkloads(server, join(open, "a.sock"))).rejects.toMatchObject({ code: "AGENT_SOCKET" });
    writeFileSync(join(directory, "file"), "");
    await expect(listenForWorkloads(server, join(directory, "file"))).rejects.toMatchObject({ code: "GRPC_ADDRESS_IN_USE" });
    chownSync(join(directory, "file"), 4711, 4711);
    await expect(listenForWorkloads(server, join(directory, "file"))).rejects.toMatchObject({ code: "AGENT_SOCKET" });
  });

  test("of a running agent is not taken over, one that is left over is", async () => {
    const { server, path, directory } = await start();
    await expect(listenForWorkloads(server, path)).rejects.toMatchObject({ code: "GRPC_ADDRESS_IN_USE" });
    const stale = createServer();
    stale.listen(join(directory, "old.sock"));
    await once(stale, "listening");
    renameSync(join(directory, "old.sock"), join(directory, "stale.sock"));
    stale.close();
    await listenForWorkloads(server, join(directory, "stale.sock"));
    expect(statSync(join(directory, "stale.sock")).mode & 0o777).toBe(0o666);
  });
});

test("a final refusal of the authority is not asked about again and again", async () => {
  const { channel, authority } = await start({ prepare: () => {}, server: { patienceMs: 200 } });
  authority.refusal = { code: 7, message: "denied by policy" };
  authority.register(WEB);
  await expect(next(x509(channel()))).rejects.toEqual(failing("PERMISSION_DENIED", /denied by policy/));
  expect(authority.calls.x509).toBe(1);
});

test("GrpcErrors of the authority that pass are retried", async () => {
  const { channel, authority } = await start({ prepare: () => {}, server: { patienceMs: 20_000 } });
  authority.failure = new GrpcError("UNAVAILABLE", "the disk is full");
  authority.register(WEB);
  await expect.poll(() => authority.calls.x509).toBeGreaterThan(0);
  authority.failure = undefined;
  expect(idsOf(await next(x509(channel())))).toEqual([WEB.spiffeId]);
});

test("it tells over gRPC whether it has identities to serve", async () => {
  const fixture = await startAgent({ isAuthorityUp: false });
  onTestFinished(() => fixture.close());
  const channel = fixture.channel({});
  const check = (service: string): Promise<HealthCheckResponse> => channel.unary(Health.method.check, { service });
  expect((await check("")).status).toBe(HealthCheckResponse_ServingStatus.NOT_SERVING);
  await fixture.authority.start();
  for (const service of ["", "SpiffeWorkloadAPI", "vigil.agent.v1.Agent"]) {
    await expect.poll(async () => (await check(service)).status, { timeout: 10_000 }).toBe(HealthCheckResponse_ServingStatus.SERVING);
  }
  await expect(check("nobody")).rejects.toMatchObject({ status: "NOT_FOUND" });
});
