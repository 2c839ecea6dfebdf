import { expect, test } from "vitest";
import type { DescribedEvent } from "../../sensor/described-event.ts";
import { EventRecorder } from "./event-recorder.ts";

const acting = {
  execId: "e",
  parentExecId: "",
  pid: 7,
  binary: "/bin/a",
  cgroupId: "1",
  containerId: "",
  subject: "s",
  severity: 1,
} as const;
const connection = (object: string): DescribedEvent => ({
  kind: "network",
  fields: {
    ...acting,
    action: "connect",
    object,
    proto: "tcp",
    srcIp: "",
    srcPort: 0,
    dstIp: "10.0.0.7",
    dstPort: 443,
    communityId: "",
    result: 0,
  },
});
const program = (args: readonly string[]): DescribedEvent => ({
  kind: "process",
  fields: {
    ...acting,
    action: "exec",
    object: "/bin/a",
    startTime: "",
    args,
    cwd: "/",
    uid: 0,
    euid: 0,
    capsEffective: "",
    imageDigest: "",
    result: 0,
  },
});
const SECOND = 1_000_000_000n;

function recorder(perSecond: number, room = Number.POSITIVE_INFINITY) {
  const stored: DescribedEvent[] = [];
  const gaps: [number, string][] = [];
  const made = new EventRecorder({
    perSecond,
    store: (event) => stored.length < room && stored.push(event) > 0,
    onGap: (count, reason) => gaps.push([count, reason]),
  });
  return { stored, gaps, made };
}

test("the same connection again is counted for a minute, another one is stored", () => {
  const { stored, gaps, made } = recorder(10);
  for (let second = 0n; second < 30n; second++) made.record(connection("10.0.0.7:443"), SECOND * (100n + second));
  made.record(connection("10.0.0.8:443"), SECOND * 131n);
  made.record(connection("10.0.0.7:443"), SECOND * 161n);
  expect(stored).toHaveLength(3);
  made.flush();
  expect(gaps).toEqual([[29, "repeated"]]);
  made.flush();
  expect(gaps).toHaveLength(1);
});

test("programs are all stored up to the limit, and what is beyond it is counted exactly", () => {
  const { stored, gaps, made } = recorder(5);
  for (let index = 0; index < 1_000; index++) made.record(program([String(index)]), SECOND * 100n);
  expect(stored).toHaveLength(50);
  for (let index = 0; index < 10; index++) made.record(program([String(index)]), SECOND * 101n);
  expect(stored).toHaveLength(55);
  made.flush();
  expect(gaps).toEqual([[955, "rate_limited"]]);
});

test("what the store cannot take is counted apart", () => {
  const { gaps, made } = recorder(10, 1);
  for (let index = 0; index < 3; index++) made.record(program([]), SECOND);
  made.flush();
  expect(gaps).toEqual([[2, "queue_full"]]);
});
