import { expect, test } from "vitest";
import type { FlowFields } from "../../event/producer.ts";
import { FlowAggregate } from "./flow-aggregate.ts";

const flow = (fields: Partial<FlowFields> = {}): FlowFields => ({
  severity: 1,
  subject: "spiffe://a.test/x",
  verdict: "allow",
  layer: "kernel",
  direction: "ingress",
  proto: "tcp",
  srcIp: "10.0.0.1",
  srcPort: 40_000,
  dstIp: "10.0.0.2",
  dstPort: 443,
  srcId: "spiffe://a.test/x",
  dstId: "spiffe://a.test/y",
  srcName: "shop/x",
  dstName: "shop/y",
  request: "",
  policy: "",
  rule: "",
  source: "",
  reason: "",
  startTime: "2026-11-28T16:00:00Z",
  endTime: "",
  bytesSent: 10,
  bytesReceived: 5,
  packetsSent: 0,
  packetsReceived: 0,
  latencyUs: 0,
  count: 1,
  communityId: "",
  isEncrypted: false,
  execId: "",
  ...fields,
});

function collect(limits: { readonly singles: number; readonly kinds: number }): {
  readonly told: FlowFields[];
  readonly gaps: number[];
  readonly flows: FlowAggregate;
} {
  const [told, gaps]: [FlowFields[], number[]] = [[], []];
  return { told, gaps, flows: new FlowAggregate({ emit: (each) => told.push(each), onGap: (count) => gaps.push(count), ...limits }) };
}

test("flows are told one by one until they come too fast, and then alike ones as one with their count", () => {
  const { told, gaps, flows } = collect({ singles: 2, kinds: 10 });
  for (let port = 1; port <= 5; port++) flows.add(flow({ srcPort: port }));
  flows.add(flow({ verdict: "deny" }));
  expect(told.map(({ srcPort }) => srcPort)).toEqual([1, 2]);
  flows.flush();
  expect(told.slice(2)).toEqual([
    expect.objectContaining({ count: 3, bytesSent: 30, bytesReceived: 15, srcPort: 0 }),
    expect.objectContaining({ count: 1, verdict: "deny" }),
  ]);
  flows.add(flow());
  expect(told).toHaveLength(5);
  expect(gaps).toEqual([]);
});

test("what there is no room for is counted, and nothing is counted twice", () => {
  const { told, gaps, flows } = collect({ singles: 1, kinds: 2 });
  for (let port = 0; port < 100; port++) flows.add(flow({ dstPort: port % 10 }));
  flows.miss(7);
  flows.flush();
  const counted = told.reduce((sum, { count }) => sum + count, 0);
  expect(counted + (gaps[0] ?? 0)).toBe(107);
  expect(told).toHaveLength(3);
  flows.flush();
  expect(gaps).toHaveLength(1);
});

test("who is known by an address alone is told apart by it", () => {
  const { told, flows } = collect({ singles: 0, kinds: 10 });
  for (const srcIp of ["192.0.2.1", "192.0.2.2", "192.0.2.2"]) flows.add(flow({ srcId: "world", srcIp }));
  flows.flush();
  expect(told.map(({ srcIp, count }) => [srcIp, count])).toEqual([
    ["192.0.2.1", 1],
    ["192.0.2.2", 2],
  ]);
});
