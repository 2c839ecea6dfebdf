/** The control plane is killed: what it put in force stays in force, and the next one takes over without a gap. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openPinDirectory } from "../../src/ebpf/index.ts";
import { openNetworkEnforcement } from "../../src/network/enforcement.ts";
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

test("denied stays denied and allowed goes on after kill -9, and a new process takes over", { timeout: 120_000 }, async () => {
  await using owned = new AsyncDisposableStack();
  const pins = openPinDirectory(`vigil-takeover-${process.pid}`);
  owned.defer(() => rmdirSync(pins.path));
  const root = owned.use(new TestCgroup(`vigil-takeover-${process.pid}`));
  const made = ["front", "orders", "payments"].map((name) => owned.use(new TestWorkload(workload(name), root.path)));
  const [front, orders, payments] = made as [TestWorkload, TestWorkload, TestWorkload];
  const workloads = made.map(({ endpoint, cgroupPath }) => ({ endpoint, cgroupPath }));

  const told = { pins: `vigil-takeover-${process.pid}`, cgroupRoot: root.path, workloads, yaml: PAYMENTS };
  const control = fork(join(import.meta.dirname, "enforcing-process.ts"), [JSON.stringify(told)]);
  const [generation] = await once(control, "message");
  const port = await payments.listen("tcp", "127.0.0.1");
  expect(await orders.ask({ do: "keep", host: "127.0.0.1", port })).toBe("answered");
  expect(await front.call("tcp", "127.0.0.1", port)).toBe("EPERM");

  // Calls go on all the time; no answer may differ from before.
  let isOver = false;
  const seen = { front: new Map<string, number>(), orders: new Map<string, number>() };
  const load = (["front", "orders"] as const).map(async (name) => {
    while (!isOver) {
      const answer = await (name === "front" ? front : orders).call("tcp", "127.0.0.1", port);
      seen[name].set(answer, (seen[name].get(answer) ?? 0) + 1);
    }
  });
  control.kill("SIGKILL");
  await once(control, "exit");
  expect(await orders.ask({ do: "echo" })).toBe("answered");
  const next = openNetworkEnforcement({ cgroupRoot: root.path, pins });
  owned.defer(() => next[Symbol.dispose]());
  expect(next.generation).toBe(generation);
  next.setPolicies(accessSet(PAYMENTS));
  next.setInventory(workloads);
  expect(await orders.ask({ do: "echo" })).toBe("answered");
  isOver = true;
  await Promise.all(load);
  expect([...seen.front.keys()]).toEqual(["EPERM"]);
  expect([...seen.orders.keys()]).toEqual(["answered"]);
  expect(seen.orders.get("answered")).toBeGreaterThan(3);

  next.close({ keepPinned: true });
  expect(await front.call("tcp", "127.0.0.1", port)).toBe("EPERM");
  openNetworkEnforcement({ cgroupRoot: root.path, pins })[Symbol.dispose]();
  expect(await front.call("tcp", "127.0.0.1", port)).toBe("answered");
  expect(readdirSync(pins.path)).toEqual([]);
});
