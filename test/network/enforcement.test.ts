/** The kernel enforces: real sockets of processes in cgroups, under real policies. Needs root, cgroup v2 and BTF. */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type NetworkEnforcement, openNetworkEnforcement } from "../../src/network/enforcement.ts";
import type { NetworkFlow } from "../../src/network/flow.ts";
import { accessSet, workload } from "../access-fixture.ts";
import { TestCgroup, TestWorkload } from "./workload.ts";

const PAYMENTS = `
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: payments }
spec:
  from: [{ workload: orders }]
  to: [{ workload: payments }]
`;
const CLOSED = PAYMENTS.replace("{ workload: orders }", "{ workload: nobody }");

const FRONT_NOWHERE = `
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: front-nowhere }
spec:
  action: Deny
  from: [{ workload: front }]
  to: [{ workload: payments }]
`;

const endpoints = [workload("front"), workload("orders"), workload("payments")] as const;
let root: TestCgroup;
let enforcement: NetworkEnforcement;
let front: TestWorkload;
let orders: TestWorkload;
let payments: TestWorkload;
const flows: NetworkFlow[] = [];

beforeAll(() => {
  root = new TestCgroup(`vigil-network-${process.pid}`);
  enforcement = openNetworkEnforcement({ cgroupRoot: root.path, onFlow: (flow) => void flows.push(flow) });
  const made = endpoints.map((endpoint) => new TestWorkload(endpoint, root.path));
  [front, orders, payments] = made as [TestWorkload, TestWorkload, TestWorkload];
  enforcement.setInventory(made);
  enforcement.setPolicies(accessSet(PAYMENTS));
});

afterAll(async () => {
  enforcement[Symbol.dispose]();
  for (const made of [front, orders, payments]) await made[Symbol.asyncDispose]();
  root[Symbol.dispose]();
});

describe.each(["127.0.0.1", "::1"])("at %s, which all share,", (host) => {
  test.each(["tcp", "udp"] as const)("%s of the workload that is allowed is answered, and of no other", async (protocol) => {
    const port = await payments.listen(protocol, host);
    expect(await orders.call(protocol, host, port)).toBe("answered");
    expect(await front.call(protocol, host, port)).toMatch(/^(?:silence|EPERM)$/);
    expect(await orders.call(protocol, host, port)).toBe("answered");
  });
});

test("a refusal at `connect` is an error at once, and names the process, the policy and both ends", async () => {
  const port = await payments.listen("tcp", "127.0.0.1");
  enforcement.setPolicies(accessSet(`${PAYMENTS}---${FRONT_NOWHERE}`));
  expect(await front.call("tcp", "127.0.0.1", port)).toBe("EPERM");
  await vi.waitFor(() => expect(flows.some(({ hook, destination }) => hook === "connect" && destination.port === port)).toBe(true));
  const refused = flows.find(({ hook, destination }) => hook === "connect" && destination.port === port);
  expect(refused).toMatchObject({
    step: "refused",
    verdict: "deny",
    direction: "ingress",
    protocol: "tcp",
    pid: front.pid,
    source: { endpoint: { name: "front" } },
    destination: { endpoint: { name: "payments" }, address: "127.0.0.1" },
    ground: { tier: "deny", origin: { policy: expect.stringContaining("front-nowhere") } },
  });
  enforcement.setPolicies(accessSet(PAYMENTS));
});

test("a flow begins and ends with what went through it", async () => {
  const port = await payments.listen("tcp", "127.0.0.1");
  await orders.call("tcp", "127.0.0.1", port);
  const own = (): readonly NetworkFlow[] => flows.filter(({ destination }) => destination.port === port);
  await vi.waitFor(() => expect(own().some(({ step }) => step === "end")).toBe(true));
  const began = own().find(({ step, direction }) => step === "begin" && direction === "ingress");
  expect(began).toMatchObject({
    verdict: "allow",
    source: { endpoint: { name: "orders" } },
    destination: { endpoint: { name: "payments" } },
  });
  expect(own().find(({ step }) => step === "end")?.sentBytes).toBeGreaterThan(100);
});

test("a connection that the next set denies is cut, and lives again when it is allowed again", async () => {
  const port = await payments.listen("tcp", "127.0.0.1");
  expect(await orders.ask({ do: "keep", host: "127.0.0.1", port })).toBe("answered");
  const before = enforcement.generation;
  enforcement.setPolicies(accessSet(CLOSED));
  expect(enforcement.generation).toBe(before + 1);
  expect(await orders.ask({ do: "echo" })).toBe("silence");
  enforcement.setPolicies(accessSet(PAYMENTS));
  await vi.waitFor(async () => expect(await orders.ask({ do: "echo" })).toBe("answered"), { timeout: 10_000 });
});

test("a port that an allowed workload used is worth nothing to another one", async () => {
  const port = await payments.listen("udp", "127.0.0.1");
  const localPort = 40_000 + (process.pid % 10_000);
  const from = { do: "call", protocol: "udp", host: "127.0.0.1", port, localPort } as const;
  expect(await orders.ask(from)).toBe("answered");
  expect(await front.ask(from)).toBe("silence");
  expect(await orders.ask(from)).toBe("answered");
});

test("raw sockets are refused to workloads", async () => {
  expect(await front.ask({ do: "raw" })).toContain("EPERM");
});

test("a set that names a cgroup that is not there changes nothing", () => {
  const before = enforcement.generation;
  const gone = { endpoint: workload("gone"), cgroupPath: `${root.path}/gone` };
  expect(() => enforcement.setInventory([gone])).toThrow(expect.objectContaining({ code: "NETWORK_CGROUP" }));
  expect(() => enforcement.setInventory([{ ...gone, cgroupPath: "/tmp" }])).toThrow(expect.objectContaining({ code: "NETWORK_CGROUP" }));
  enforcement.refresh();
  expect(enforcement.generation).toBe(before + 1);
});
