import { expect, test } from "vitest";
import { sampleRuntimeEvents } from "../../test/evidence/sample-runtime-event.ts";
import { compactLine } from "./compact-line.ts";
import { EventProducer } from "./producer.ts";

const producer = new EventProducer({ producer: "control@0.1.0", node: "n", bootId: "b", clock: () => 0, random: () => undefined });
const DECISION = {
  severity: 3,
  subject: "jo",
  point: "admission",
  verdict: "deny",
  mode: "enforce",
  policy: "no-root",
  policyDigest: "",
  rule: "",
  reasonCode: "",
  action: "create",
  object: "Pod shop/debug",
  message: "runs as root",
  latencyUs: 41.4,
  evidence: [],
  source: "",
} as const;

const withoutTime = (line: string): string => line.replace(/^\d\d:\d\d:\d\d\.\d{3}/, "TIME");

test("a decision, an action and a gap are one line each", () => {
  expect(withoutTime(compactLine(producer.decision(DECISION)))).toBe(
    "TIME  DENY  create Pod shop/debug  no-root  runs as root  admission  41 µs",
  );
  expect(withoutTime(compactLine(producer.decision({ ...DECISION, verdict: "warn", mode: "dry-run", latencyUs: 1500 })))).toContain(
    "WARN (dry run)",
  );
  const action = producer.action({
    severity: 5,
    subject: "root",
    action: "open break-glass",
    object: "admission",
    outcome: "done",
    message: "upgrade",
  });
  expect(withoutTime(compactLine(action))).toBe("TIME  DONE  open break-glass admission  control@0.1.0  upgrade");
  const gap = producer.gap({ severity: 4, subject: "vigil", fromSeq: 4, toSeq: 9, count: 6, reason: "queue_full" });
  expect(withoutTime(compactLine(gap))).toBe("TIME  GAP  6 events lost  control@0.1.0  queue_full, seq 4 to 9");
});

test("what the host did is one line each", () => {
  const { process, file, network, flow, finding } = sampleRuntimeEvents(producer);
  expect([process, file, network, flow, finding].map((event) => withoutTime(compactLine(event)))).toEqual([
    "TIME  EXEC  /usr/bin/curl -s http://10.0.0.7/  spiffe://shop.example/orders    pid 4711",
    "TIME  READ  /etc/shadow  spiffe://shop.example/orders  /usr/bin/curl: failed with errno 13  pid 4711",
    "TIME  CONNECT  tcp 10.0.0.7:80  spiffe://shop.example/orders  /usr/bin/curl  pid 4711",
    "TIME  DENY  orders → world:80  tcp  orders-egress/default  nothing allows it, 74 B out, 0 B in  kernel  —",
    "TIME  ALERT  /etc/shadow  falco: Read sensitive file untrusted  curl read /etc/shadow  pid 4711  3 times",
  ]);
  const hostile = compactLine({ ...process, args: ["a\nDENY\u001b[2J"] });
  expect(hostile).toContain("a DENY [2J");
});

test.each(["object", "policy", "message"])("a name in `%s` can neither forge a line nor drive the terminal", (field) => {
  const line = compactLine(producer.decision({ ...DECISION, [field]: "a\n12:00:00.000  ALLOW\u001b[2J\u0085\u2028b" }));
  expect(line).toContain("a 12:00:00.000  ALLOW [2J b");
});
