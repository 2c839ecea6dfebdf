import { expect, test } from "vitest";
import type { WorkloadAttestor } from "../attestation/attestor.ts";
import type { Agent } from "./agent.ts";
import { identifyProcesses } from "./identify.ts";

/** Of the agent, these alone are asked. */
const agent = {
  state: { wantsDigest: false },
  entriesOf: (selectors: readonly string[]) => ({
    entries: selectors.includes("test:known") ? [{ spiffeId: "spiffe://a.example/web", name: "web" }] : [],
    isDenied: false,
  }),
} as unknown as Agent;
const attestor: WorkloadAttestor = {
  name: "test",
  attest: ({ process: { pid } }) => (pid === process.pid ? { kind: "selectors", selectors: ["test:known"] } : { kind: "none" }),
};
const identify = (pids: readonly number[], askingUid = 0) =>
  identifyProcesses({ pids: [...pids] }, { agent, attestors: [attestor], askingUid });

test("processes are named in the order in which they are asked about, and who has ended by nothing", async () => {
  const { processes = [] } = await identify([2 ** 22 - 1, process.pid, -1, process.ppid]);
  expect(processes.map(({ spiffeIds, isFound }) => [spiffeIds, isFound])).toEqual([
    [[], false],
    [["spiffe://a.example/web"], true],
    [[], false],
    [[], true],
  ]);
});

test("ordinary users are told nothing of others, and nobody of too many", async () => {
  await expect(identify([process.pid], 65_534)).rejects.toMatchObject({ status: "PERMISSION_DENIED" });
  await expect(identify(Array.from({ length: 65 }, (_, index) => index + 1))).rejects.toMatchObject({ status: "INVALID_ARGUMENT" });
});
