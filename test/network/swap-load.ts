/**
 * Policy sets swapped while clients call: what every set allows must be answered every time, what every set denies never. Of the sets, each has
 * policies of its own beside the two that matter, so that all numbers in the kernel's maps change.
 */
import { openNetworkEnforcement } from "../../src/network/enforcement.ts";
import { endpoint } from "../../src/policy/access/endpoint.ts";
import { accessSetOf } from "../access-text.ts";
import { TestCgroup, TestWorkload } from "./workload.ts";

export interface SwapLoad {
  readonly swaps: number;
  /** That call at the same time, half of them allowed. */
  readonly clients: number;
  /** Told how many swaps there were. */
  readonly onProgress?: (swaps: number) => void;
}

export interface SwapResult {
  readonly generations: number;
  /** By what came of it. */
  readonly allowed: Readonly<Record<string, number>>;
  readonly denied: Readonly<Record<string, number>>;
  /** Answers on connections that were open all the time. */
  readonly kept: Readonly<Record<string, number>>;
}

const named = (name: string): ReturnType<typeof endpoint> => endpoint("workload", { name, namespace: "shop", labels: { app: name } });

const policy = (name: string, from: string, to: string, port = ""): string => `
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: ${name}, namespace: shop }
spec:
  from: [{ workload: ${from} }]
  to: [{ workload: ${to} }]
${port === "" ? "" : `  ports: [${port}]`}
`;

/** The `n`th set. */
function policies(n: number): string {
  const others = Array.from({ length: 1 + (n % 7) }, (_, index) =>
    policy(`a-${index}`, "orders", "front", String(1000 + ((n + index) % 500))),
  );
  const open = policy("payments", "orders", "payments");
  return [...others, n % 3 === 0 ? `${open}---${policy("z", "payments", "orders")}` : open].join("---");
}

export async function swapUnderLoad({ swaps, clients, onProgress }: SwapLoad): Promise<SwapResult> {
  await using owned = new AsyncDisposableStack();
  const root = owned.use(new TestCgroup(`vigil-swaps-${process.pid}`));
  const made = ["front", "orders", "payments"].map((name) => owned.use(new TestWorkload(named(name), root.path)));
  const [front, orders, payments] = made as [TestWorkload, TestWorkload, TestWorkload];
  const enforcement = owned.use(openNetworkEnforcement({ cgroupRoot: root.path }));
  enforcement.setInventory(made);
  const sets = Array.from({ length: 21 }, (_, n) => accessSetOf(policies(n)));
  const setOf = (n: number): (typeof sets)[number] => sets[n % sets.length] ?? accessSetOf(policies(n));
  enforcement.setPolicies(setOf(0));
  const first = enforcement.generation;
  const port = await payments.listen("tcp", "127.0.0.1");
  await orders.ask({ do: "keep", host: "127.0.0.1", port });
  await Promise.all([orders, front].map((caller) => caller.ask({ do: "load", host: "127.0.0.1", port, clients: clients / 2 })));
  const kept: Record<string, number> = {};
  for (let n = 1; n <= swaps; n++) {
    enforcement.setPolicies(setOf(n));
    const answer = await orders.ask({ do: "echo", patienceMs: 20_000 });
    kept[answer] = (kept[answer] ?? 0) + 1;
    if (n % 100 === 0) onProgress?.(n);
  }
  const [allowed, denied] = await Promise.all([orders, front].map(async (caller) => JSON.parse(await caller.ask({ do: "tally" }))));
  return { generations: enforcement.generation - first, allowed, denied, kept };
}
