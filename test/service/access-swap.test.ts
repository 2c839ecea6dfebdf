/** Policies are replaced while calls are judged: none is lost, and none gets through between two sets. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, createServer, get } from "node:http";
import { get as getSecurely } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import fastify from "fastify";
import { expect, onTestFinished, test, vi } from "vitest";
import {
  type AccessDecision,
  AccessGate,
  type AccessPolicies,
  fastifyAccess,
  openAccessPolicies,
  parseAccessPolicies,
  protectServer,
} from "../../src/service/access/index.ts";
import {
  createHttpsAgent,
  createHttpsServer,
  createServiceIdentity,
  type ServiceError,
  type ServiceIdentity,
} from "../../src/service/index.ts";
import { portOf } from "./listening.ts";
import { issueSvid, newAuthority, storeOf } from "./trust-domain.ts";

const SELF = "spiffe://a.test/orders";

const policy = (name: string, when: string, from = "entity: any"): string => `
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: ${name}, namespace: shop }
spec:
  to: [{ spiffeId: "${SELF}" }]
  from: [{ ${from} }]
  when: ${when}
`;

const statusOf = (port: number, path: string, agent: Agent): Promise<number> =>
  new Promise((resolve, reject) => {
    get({ host: "127.0.0.1", port, path, agent }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
    }).on("error", reject);
  });

const SWAPS = 1_000;
const CLIENTS = 50;

test(`${SWAPS} swaps under ${CLIENTS} clients: no allowed call fails, no denied one passes`, async () => {
  const sets = [policy("one", `request.path == "/open"`), policy("two", `request.path in ["/open", "/sometimes"]`)];
  const policies = parseAccessPolicies(sets[0] ?? "");
  const gate = new AccessGate({ self: SELF, policies });
  const port = await portOf(
    protectServer(
      createServer((_, response) => void response.end("served")),
      gate,
    ),
  );
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  onTestFinished(() => agent.destroy());
  let isOver = false;
  const counts = { allowed: 0, denied: 0, failed: 0, passed: 0 };
  const client = async (index: number): Promise<void> => {
    for (let turn = index; !isOver; turn++) {
      const isOpen = turn % 2 === 0;
      const status = await statusOf(port, isOpen ? "/open" : "/closed", agent);
      if (isOpen) counts[status === 200 ? "allowed" : "failed"]++;
      else counts[status === 403 ? "denied" : "passed"]++;
    }
  };
  const clients = Array.from({ length: CLIENTS }, (_, index) => client(index));
  for (let swap = 1; swap <= SWAPS; swap++) {
    policies.replaceText(sets[swap % 2] ?? "");
    await nextTurn();
  }
  isOver = true;
  await Promise.all(clients);
  expect(counts).toMatchObject({ failed: 0, passed: 0 });
  expect(Math.min(counts.allowed, counts.denied)).toBeGreaterThan(CLIENTS / 4);
}, 120_000);

test("policies in a directory count as soon as they change, and a mistake changes nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "vigil-access-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "policies.yaml");
  const ended = new AbortController();
  onTestFinished(() => ended.abort());
  const problems: ServiceError[] = [];
  writeFileSync(file, policy("one", "request.nothing == 1"));
  const options = { signal: ended.signal, onProblem: (error: ServiceError) => problems.push(error) };
  await expect(openAccessPolicies([folder], options)).rejects.toMatchObject({ code: "SERVICE_POLICIES" });

  writeFileSync(file, policy("one", `request.path == "/a"`));
  const policies: AccessPolicies = await openAccessPolicies([folder], options);
  const port = await portOf(
    protectServer(
      createServer((_, response) => void response.end()),
      new AccessGate({ self: SELF, policies }),
    ),
  );
  const agent = new Agent();
  expect([await statusOf(port, "/a", agent), await statusOf(port, "/b", agent)]).toEqual([200, 403]);
  writeFileSync(file, policy("one", `request.path == "/b"`));
  await vi.waitFor(async () => expect(await statusOf(port, "/b", agent)).toBe(200), 20_000);
  expect(await statusOf(port, "/a", agent)).toBe(403);
  writeFileSync(file, "kind: [");
  await vi.waitFor(() => expect(problems).toMatchObject([{ code: "SERVICE_POLICIES" }]), 20_000);
  expect(await statusOf(port, "/b", agent)).toBe(200);
}, 60_000);

test("with mutual TLS the caller is the verified peer, with name and labels of its Workload", async () => {
  const authority = newAuthority("a.test");
  const identityOf = (id: string): ServiceIdentity => {
    const identity = createServiceIdentity({ source: storeOf(issueSvid(id, authority), [authority]) });
    onTestFinished(() => identity.close());
    return identity;
  };
  const decisions: AccessDecision[] = [];
  const policies = parseAccessPolicies(`${policy("by-name", `request.path == "/" && source.labels.tier == "web"`, "workload: web")}
---
apiVersion: vigil.dev/v1alpha1
kind: Workload
metadata: { name: web, namespace: shop, labels: { tier: web } }
spec: { id: "spiffe://a.test/web", selectors: ["unix:uid:1"] }
`);
  const gate = new AccessGate({ self: SELF, policies, onDecision: (decision) => decisions.push(decision) });
  const server = createHttpsServer(identityOf(SELF), { allow: ["spiffe://a.test/**"] }, (_, response) => void response.end());
  const port = await portOf(protectServer(server, gate));
  const call = (id: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const agent = createHttpsAgent(identityOf(id), { allow: [SELF] });
      onTestFinished(() => agent.destroy());
      getSecurely({ host: "127.0.0.1", port, agent }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      }).on("error", reject);
    });
  expect(await call("spiffe://a.test/web")).toBe(200);
  expect(await call("spiffe://a.test/other")).toBe(403);
  expect(decisions).toMatchObject([
    { verdict: "allow", policy: "AccessPolicy shop/by-name", caller: "spiffe://a.test/web" },
    { verdict: "deny", policy: "AccessPolicy shop/by-name", caller: "spiffe://a.test/other" },
  ]);
});

test("Fastify's own routes give parameters, and what matches none is refused by default", async () => {
  const gate = new AccessGate({ self: SELF, policies: parseAccessPolicies(policy("seven", `request.params.id == "7"`)) });
  const app = fastify();
  onTestFinished(() => app.close());
  await app.register(fastifyAccess(gate));
  await app.register(async (inner) => {
    inner.get("/orders/:id", () => "served");
    inner.get("/open", () => "served");
  });
  const status = async (url: string): Promise<number> => (await app.inject(url)).statusCode;
  expect(await status("/orders/7")).toBe(200);
  expect(await status("/orders/8")).toBe(403);
  expect(await status("/open")).toBe(403);
  expect(await status("/nowhere")).toBe(403);
  expect((await app.inject({ method: "POST", url: "/orders/7" })).statusCode).toBe(403);
});
