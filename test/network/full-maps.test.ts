/** Maps of the kernel that are full: nothing passes for that, and it is said. Needs root, cgroup v2 and BTF. */
import { afterEach, expect, test } from "vitest";
import { type NetworkEnforcement, type NetworkOptions, openNetworkEnforcement } from "../../src/network/enforcement.ts";
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
/** More peers by name than the maps of the test have room for. */
const MANY = Array.from({ length: 200 }, (_, index) => workload(`many-${index}`));
const FROM_MANY = PAYMENTS.replace("{ workload: orders }", MANY.map(({ name }) => `{ workload: ${name} }`).join(", "));

let owned = new AsyncDisposableStack();
afterEach(async () => {
  await owned.disposeAsync();
  owned = new AsyncDisposableStack();
});

interface Site {
  readonly enforcement: NetworkEnforcement;
  readonly made: readonly TestWorkload[];
  readonly front: TestWorkload;
  readonly orders: TestWorkload;
  readonly payments: TestWorkload;
}

function open(options: NetworkOptions): Site {
  const root = owned.use(new TestCgroup(`vigil-full-${process.pid}`));
  const made = ["front", "orders", "payments"].map((name) => owned.use(new TestWorkload(workload(name), root.path)));
  const [front, orders, payments] = made as [TestWorkload, TestWorkload, TestWorkload];
  const enforcement = owned.use(openNetworkEnforcement({ cgroupRoot: root.path, ...options }));
  enforcement.setInventory(made);
  enforcement.setPolicies(accessSet(PAYMENTS));
  return { enforcement, made, front, orders, payments };
}

test("a set that the maps cannot hold is refused by name, and the one before stays in force", async () => {
  const { enforcement, made, front, orders, payments } = open({ sizes: { setEntries: 100 } });
  const port = await payments.listen("tcp", "127.0.0.1");
  const before = enforcement.generation;
  const tooMany = expect.objectContaining({
    code: "NETWORK_SET",
    message: expect.stringContaining("of at most 100"),
    hint: expect.any(String),
  });
  // The inventory is as much as the policies: addresses of peers.
  const away = MANY.map((endpoint, index) => ({ endpoint, addresses: [Uint8Array.of(10, 9, 8, index)] }));
  expect(() => enforcement.setInventory([...made, ...away])).toThrow(tooMany);
  const known = MANY.map((endpoint) => ({ endpoint }));
  enforcement.setInventory([...made, ...known]);
  expect(() => enforcement.setPolicies(accessSet(FROM_MANY))).toThrow(tooMany);
  expect(enforcement.generation).toBe(before + 1);
  expect(await front.call("tcp", "127.0.0.1", port)).toBe("EPERM");
  expect(await orders.call("tcp", "127.0.0.1", port)).toBe("answered");
  // And what fits is taken again.
  enforcement.setPolicies(accessSet(PAYMENTS.replace("orders", "front")));
  expect(await front.call("tcp", "127.0.0.1", port)).toBe("answered");
  expect(await orders.call("tcp", "127.0.0.1", port)).toBe("EPERM");
});

test("more flows than are remembered are answered, and nothing else is", { timeout: 120_000 }, async () => {
  const connections = 2048;
  const { enforcement, front, orders, payments } = open({ sizes: { connections } });
  const port = await payments.listen("udp", "127.0.0.1");
  // Every flow is remembered at both its ends.
  for (let round = 0; round < 20; round++) expect(await orders.ask({ do: "burst", host: "127.0.0.1", port, count: 200 })).toBe("200");
  const remembered = enforcement.countConnections();
  expect(remembered).toBeGreaterThan(connections / 2);
  expect(remembered).toBeLessThanOrEqual(connections);
  expect(await front.call("udp", "127.0.0.1", port)).toMatch(/^(?:silence|EPERM)$/);
});

test("a connection that was forgotten goes on when policies allow it, and only then", { timeout: 120_000 }, async () => {
  const { orders, payments, enforcement } = open({ sizes: { connections: 512 } });
  const [port, udp] = [await payments.listen("tcp", "127.0.0.1"), await payments.listen("udp", "127.0.0.1")];
  expect(await orders.ask({ do: "keep", host: "127.0.0.1", port })).toBe("answered");
  for (let round = 0; round < 8; round++) await orders.ask({ do: "burst", host: "127.0.0.1", port: udp, count: 200 });
  expect(await orders.ask({ do: "echo", patienceMs: 20_000 })).toBe("answered");
  for (let round = 0; round < 8; round++) await orders.ask({ do: "burst", host: "127.0.0.1", port: udp, count: 200 });
  enforcement.setPolicies(accessSet(PAYMENTS.replace("orders", "nobody")));
  expect(await orders.ask({ do: "echo" })).toBe("silence");
});
