/** What the authority and the agent tell of themselves: one trace for one rotation, numbers, and one answer about their health. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GrpcChannel } from "../../src/grpc/channel.ts";
import { Health, HealthCheckResponse_ServingStatus } from "../../src/grpc/generated/grpc/health/v1/health_pb.ts";
import { GrpcServer } from "../../src/grpc/server.ts";
import { Agent } from "../../src/identity/agent/agent.ts";
import { localAuthority } from "../../src/identity/agent/authority-client.ts";
import { authorityHealth, authorityProblem } from "../../src/identity/authority/authority-health.ts";
import { AuthorityMetrics } from "../../src/identity/authority/authority-metrics.ts";
import { authorityService } from "../../src/identity/authority/authority-service.ts";
import { ConnectedAgents } from "../../src/identity/authority/connected-agents.ts";
import { type SpanRecord, Tracer } from "../../src/lib/tracer.ts";
import { DAY_MS, TestClock, testAuthority, trustDomainYaml, workloadYaml } from "./authority-in-process.ts";

/** However slow the machine is. */
const PATIENCE = { timeout: 20_000 };

const WEB = workloadYaml("web", "{selectors: ['unix:uid:1']}");
const REFUSED = workloadYaml("late", "{selectors: ['unix:uid:2']}");
const RULES = trustDomainYaml('{issuance: [{name: no-late, expression: "workload.name != \'default/late\'", message: "not late"}]}');

let directory: string;
const cleanups: (() => unknown)[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "vigil-telemetry-"));
});
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
  rmSync(directory, { recursive: true });
});

const tracerInto = (spans: SpanRecord[]): Tracer =>
  new Tracer({ record: (span) => spans.push(span), nowMs: Date.now, random: randomBytes });

test("a rotation is one trace across agent and authority, and says of each identity what became of it", async () => {
  const { authority } = await testAuthority({ resources: WEB + REFUSED + RULES, nowMs: Date.now });
  const [ofAgent, ofAuthority]: [SpanRecord[], SpanRecord[]] = [[], []];
  const connected = new ConnectedAgents();
  const common = { authority, connected, nowMs: Date.now, random: randomBytes, onAttestation: () => undefined };
  const server = new GrpcServer({ services: [authorityService({ ...common, tracer: tracerInto(ofAuthority) })] });
  const path = join(directory, "authority.sock");
  await server.listen({ kind: "unix", path });
  cleanups.push(() => server.close(0));
  const agent = new Agent({ client: localAuthority(path), onEvent: () => undefined, tracer: tracerInto(ofAgent) });
  const stopping = new AbortController();
  const running = agent.run(stopping.signal);
  cleanups.push(async () => {
    stopping.abort();
    await running;
  });
  // At the start each is asked for as it becomes known; a change of both is one rotation.
  await expect.poll(() => agent.x509.size, PATIENCE).toBe(2);
  await expect.poll(() => [...agent.x509.valid()], PATIENCE).toHaveLength(1);
  await authority.rotate([]);
  const isWhole = ({ name, attributes }: SpanRecord): boolean => name === "renew x509" && attributes["vigil.svid.count"] === 2;
  await expect.poll(() => ofAgent.find(isWhole), PATIENCE).toBeDefined();
  const whole = ofAgent.find(isWhole);
  const within = (spans: readonly SpanRecord[]): object =>
    Object.fromEntries(
      spans
        .filter(({ parentSpanId }) => parentSpanId === whole?.context.spanId)
        .map(({ name, attributes, error }) => [`${name} ${attributes["spiffe.id"]}`, error ?? ""]),
    );
  const refusal = expect.stringContaining("no-late");
  expect(within(ofAgent)).toEqual({
    "identity x509 spiffe://example.org/default/web": "",
    "identity x509 spiffe://example.org/default/late": refusal,
  });
  expect(within(ofAuthority)).toEqual({
    "sign x509 spiffe://example.org/default/web": "",
    "sign x509 spiffe://example.org/default/late": refusal,
  });
  const below = [...ofAgent, ...ofAuthority].filter(({ parentSpanId }) => parentSpanId === whole?.context.spanId);
  expect(below.map(({ context }) => context.traceId)).toEqual(below.map(() => whole?.context.traceId));
  expect(whole?.error).toContain("1 of 2");
  const entry = agent.state.entry("default/web");
  if (entry === undefined) throw new Error("no entry");
  await agent.jwt.of(entry, ["orders"]);
  const jwt = ofAgent.find(({ name }) => name === "renew jwt");
  expect(ofAuthority.find(({ name }) => name === "sign jwt")).toMatchObject({ parentSpanId: jwt?.context.spanId, kind: "server" });
});

test("the authority in numbers", async () => {
  const metrics = new AuthorityMetrics();
  const { authority, clock, issued, news } = await testAuthority({ resources: WEB + REFUSED + RULES });
  metrics.observe(authority, new ConnectedAgents(), clock.read);
  for (const id of ["default/web", "default/late"]) await authority.signJwt(id, ["a"], { name: "test", agentId: "" });
  for (const item of issued) metrics.issuance(item);
  for (const item of news) metrics.changed(item);
  metrics.unwritten();
  const text = metrics.expose();
  for (const line of [
    'vigil_authority_issued_total{kind="jwt"} 1',
    'vigil_authority_refused_total{kind="jwt",reason="IDENTITY_RULE"} 1',
    'vigil_authority_changes_total{action="activate",kind="x509"} 1',
    `vigil_authority_expiry_seconds{kind="x509"} ${(30 * DAY_MS) / 1000}`,
    "vigil_authority_entries 2",
    "vigil_authority_agents 0",
    "vigil_authority_journal_failures_total 1",
  ])
    expect(text).toContain(`${line}\n`);
});

test("health over gRPC is what HTTP is told, also when an authority expires by the clock alone", async () => {
  const clock = new TestClock();
  const { authority } = await testAuthority({ nowMs: clock.read });
  const server = new GrpcServer({ services: [authorityHealth(authority, [])] });
  const path = join(directory, "health.sock");
  await server.listen({ kind: "unix", path });
  const channel = new GrpcChannel({ address: { kind: "unix", path } });
  cleanups.push(
    () => server.close(0),
    () => channel.close({ cut: true }),
  );
  const asked = async (): Promise<number> => (await channel.unary(Health.method.check, {})).status;
  expect(await asked()).toBe(HealthCheckResponse_ServingStatus.SERVING);
  expect(authorityProblem(authority)).toBeUndefined();
  clock.nowMs += 31 * DAY_MS;
  expect(await asked()).toBe(HealthCheckResponse_ServingStatus.NOT_SERVING);
  expect(authorityProblem(authority)).toContain("no authority of kind x509 may sign now");
});
