/** One event of each kind that the host's sensor and network make. */
import type { EventProducer } from "../../src/event/producer.ts";
import type { FileEvent, FindingEvent, FlowEvent, NetworkEvent, ProcessEvent } from "../../src/event/runtime-event.ts";

const ACTING = {
  severity: 1,
  subject: "spiffe://shop.example/orders",
  execId: "boot-1:4711:982",
  parentExecId: "boot-1:4700:900",
  pid: 4711,
  binary: "/usr/bin/curl",
  cgroupId: "18446744073709551615",
  containerId: "c0ffee",
} as const;

export interface RuntimeSamples {
  readonly process: ProcessEvent;
  readonly file: FileEvent;
  readonly network: NetworkEvent;
  readonly flow: FlowEvent;
  readonly finding: FindingEvent;
}

export function sampleRuntimeEvents(producer: EventProducer): RuntimeSamples {
  return {
    process: producer.process({
      ...ACTING,
      action: "exec",
      object: "/usr/bin/curl",
      startTime: "2026-11-28T16:00:00.000000001Z",
      args: ["-s", "http://10.0.0.7/"],
      cwd: "/",
      uid: 1000,
      euid: 0,
      capsEffective: "0000000000000400",
      imageDigest: "sha256:0",
      result: 0,
    }),
    file: producer.file({ ...ACTING, action: "read", object: "/etc/shadow", from: "", flags: 0, result: -13 }),
    network: producer.network({
      ...ACTING,
      action: "connect",
      object: "10.0.0.7:80",
      proto: "tcp",
      srcIp: "10.0.0.3",
      srcPort: 40000,
      dstIp: "10.0.0.7",
      dstPort: 80,
      communityId: "1:abc",
      result: 0,
    }),
    flow: producer.flow({
      severity: 3,
      subject: ACTING.subject,
      verdict: "deny",
      layer: "kernel",
      direction: "egress",
      proto: "tcp",
      srcIp: "10.0.0.3",
      srcPort: 40000,
      dstIp: "10.0.0.7",
      dstPort: 80,
      srcId: ACTING.subject,
      dstId: "world",
      srcName: "shop/orders",
      dstName: "",
      request: "",
      source: "policies/orders.yaml:7:3",
      reason: "nothing allows it",
      latencyUs: 0,
      count: 1,
      policy: "orders-egress",
      rule: "default",
      startTime: "2026-11-28T16:00:00.000000000Z",
      endTime: "",
      bytesSent: 74,
      bytesReceived: 0,
      packetsSent: 1,
      packetsReceived: 0,
      communityId: "1:abc",
      isEncrypted: false,
      execId: ACTING.execId,
    }),
    finding: producer.finding({
      ...ACTING,
      severity: 5,
      findingId: "f-1",
      policy: "falco",
      rule: "Read sensitive file untrusted",
      action: "alert",
      object: "/etc/shadow",
      message: "curl read /etc/shadow",
      techniques: ["T1555"],
      tags: ["maturity_stable"],
      confidence: 80,
      evidence: [],
      firstSeen: "2026-11-28T16:00:00.000000000Z",
      lastSeen: "2026-11-28T16:00:01.000000000Z",
      count: 3,
      status: "open",
      ancestry: [{ execId: "boot-1:4700:900", pid: 4700, binary: "/bin/sh", args: ["-c", "curl \u001b[2J"] }],
      fields: { "fd.name": "/etc/shadow" },
    }),
  };
}
