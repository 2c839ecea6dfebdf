import { describe, expect, test } from "vitest";
import { CONTAINER, sampleEvent, sampleFile, sampleProcess } from "../../test/falco/sample-event.ts";
import { compileRules } from "../falco/compile.ts";
import { loadRules } from "../falco/rule-set.ts";
import { compileRuntimePolicies } from "../policy/compile-runtime-policy.ts";
import { readDocuments, readValues } from "../resource/document.ts";
import { parseRuntimePolicy } from "../resource/runtime-policy.ts";
import { Detector, type DetectorOptions } from "./detector.ts";

const FALCO = `
- rule: Shadow read
  desc: d
  condition: evt.type=openat and fd.name=/etc/shadow
  output: "read %fd.name by %proc.name"
  priority: WARNING
  tags: [maturity_stable, T1003.008]
- rule: Anything opened
  desc: d
  condition: evt.type=openat
  output: "opened"
  priority: INFO
`;

const policy = (spec: string) =>
  `apiVersion: vigil.dev/v1alpha1\nkind: RuntimePolicy\nmetadata: {name: p, annotations: {policies.vigil.dev/title: T}}\nspec:\n${spec}`;

function detector(options: { falco?: string; policies?: string } & Omit<DetectorOptions, "falco" | "policies"> = {}): Detector {
  const { falco, policies, ...more } = options;
  const resources = readDocuments(policies ?? "", "p.yaml").documents.map((document) => {
    const parsed = parseRuntimePolicy(document);
    if (parsed.kind !== "runtime") throw new Error(JSON.stringify(parsed));
    return parsed.resource;
  });
  const compiled = compileRuntimePolicies(resources);
  expect(compiled.diagnostics).toEqual([]);
  return new Detector({
    ...(falco !== undefined && { falco: compileRules(loadRules(readValues(falco, "f.yaml").documents)) }),
    policies: compiled.rules,
    ...more,
  });
}

const SECOND = 1_000_000_000n;
const START = sampleEvent("execve").timeNs;
const shadow = (seconds = 0, name = "cat") =>
  sampleEvent("openat", {
    timeNs: START + BigInt(seconds) * SECOND,
    fd: sampleFile("/etc/shadow"),
    result: 3,
    args: { flags: 0 },
    caller: sampleProcess({ name, container: CONTAINER, parent: sampleProcess({ name: "sh", pid: 10, args: ["-c", "x"] }) }),
  });

describe("detection", () => {
  test("a later condition may ask for ages, of processes that were looked at before", () => {
    const ages = detector({
      policies: policy(`
  match: {events: [process.exec]}
  conditions:
    - {name: name, expression: 'process.name == "bash" && parent.name == "sh"'}
    - {name: age, expression: 'process.ageSeconds == 5.0 && process.executableAgeSeconds == 2.0 && ancestors[0].ageSeconds == 15.0'}
  severity: Low`),
    });
    const executable = { ...sampleProcess().executable, ctimeNs: START - 2n * SECOND };
    const parent = sampleProcess({ name: "sh", startNs: START - 10n * SECOND });
    const caller = sampleProcess({ name: "bash", startNs: START, execNs: START, parent, executable });
    expect(ages.judge(sampleEvent("execve", { caller, timeNs: START + 5n * SECOND }))).toHaveLength(1);
    expect(ages.judge(sampleEvent("execve", { caller, timeNs: START + 6n * SECOND }))).toHaveLength(0);
  });

  test("a finding has who, what, the rule, its values and the ancestry", () => {
    const [first, second] = detector({ falco: FALCO }).judge(shadow());
    expect(first).toMatchObject({
      action: "alert",
      pid: 4711,
      finding: {
        severity: 3,
        subject: "unresolved:1",
        policy: "falco",
        rule: "Shadow read",
        object: "/etc/shadow",
        message: "read /etc/shadow by cat",
        techniques: ["T1003.008"],
        confidence: 80,
        containerId: CONTAINER.id,
        ancestry: [{ pid: 10, binary: "/usr/bin/sh", args: ["-c", "x"] }],
        fields: { "fd.name": "/etc/shadow", "proc.name": "cat" },
        count: 1,
      },
    });
    expect(second).toMatchObject({ action: "event", finding: { severity: 1 } });
    expect(detector({ falco: FALCO, falcoMatching: "first" }).judge(shadow())).toHaveLength(1);
  });

  test("the same again is counted, and told when its time is over", () => {
    const judging = detector({ falco: FALCO, falcoMatching: "first" });
    const reported = [0, 1, 2, 59].map((at) => judging.judge(shadow(at)).length);
    expect(reported).toEqual([1, 0, 0, 0]);
    expect(judging.flush(START + 30n * SECOND)).toEqual([]);
    const [counted, ...more] = judging.flush(START + 61n * SECOND);
    expect(more).toEqual([]);
    expect(counted).toMatchObject({ count: 4, rule: "Shadow read" });
    expect(Date.parse(counted?.lastSeen ?? "") - Date.parse(counted?.firstSeen ?? "")).toBe(59_000);
    expect(judging.judge(shadow(62))).toHaveLength(1);
    expect(judging.counts).toMatchObject({ judged: 5, matched: 5, reported: 2, repeated: 3 });
  });

  test("a rule that finds too much is limited, and the number is known", () => {
    const judging = detector({ falco: FALCO, falcoMatching: "first", findingsPerMinute: 5 });
    const reported = Array.from({ length: 20 }, (_, i) => judging.judge(shadow(0, `p${i}`)).length);
    expect(reported.reduce((sum, count) => sum + count, 0)).toBe(5);
    expect(judging.counts).toMatchObject({ reported: 5, limited: 15 });
    expect(judging.judge(shadow(60, "later"))).toHaveLength(1);
  });

  test("what is remembered is bounded", () => {
    const judging = detector({ falco: FALCO, falcoMatching: "first", limit: 3, findingsPerMinute: 1_000 });
    for (let i = 0; i < 50; i++) judging.judge(shadow(0, `p${i}`));
    expect(judging.judge(shadow(1, "p0"))).toHaveLength(1);
    expect(judging.judge(shadow(1, "p0"))).toHaveLength(0);
  });

  const KILL = policy(
    '  match: {events: [file.read], paths: [/etc/shadow], workloads: {matchLabels: {tier: web}}}\n  conditions:\n    - {name: c, expression: process.name == "cat"}\n  action: Kill\n  severity: Critical\n  message: \'"by " + process.name + " below " + ancestors[0].name\'\n  exceptions:\n    - {name: e, expression: "workload.id.endsWith(\'/backup\')", reason: r, expiresAt: "2027-01-01T00:00:00Z"}\n',
  );
  const workloadOf = (id: string, tier = "web") => ({ workloadOf: () => ({ id, labels: { tier } }) });

  test("a policy selects by workload, and stops each time though it tells once", () => {
    const judging = detector({ policies: KILL, ...workloadOf("spiffe://shop/orders") });
    expect(judging.judge(shadow())).toMatchObject([
      { action: "kill", finding: { subject: "spiffe://shop/orders", severity: 5, message: "by cat below sh", count: 1, policy: "p" } },
    ]);
    expect(judging.judge(shadow(1))).toMatchObject([{ action: "kill" }]);
    expect(judging.counts).toMatchObject({ reported: 1, repeated: 1 });
    expect(detector({ policies: KILL, ...workloadOf("x", "db") }).judge(shadow())).toEqual([]);
    expect(judging.judge(shadow(0, "dog"))).toEqual([]);
  });

  test("an exception holds until it expires", () => {
    const backup = detector({ policies: KILL, ...workloadOf("spiffe://shop/backup") });
    const at = (iso: string) => ({ ...shadow(), timeNs: BigInt(Date.parse(iso)) * 1_000_000n });
    expect(backup.judge(at("2026-12-31T00:00:00Z"))).toEqual([]);
    expect(backup.counts.excepted).toBe(1);
    expect(backup.judge(at("2027-01-01T00:00:00Z"))).toHaveLength(1);
  });

  test("a threshold counts within its time", () => {
    const text = policy("  match: {events: [process.exec]}\n  threshold: {count: 3, within: 10s}\n");
    const judging = detector({ policies: text });
    const at = (seconds: number) => judging.judge(sampleEvent("execve", { timeNs: START + BigInt(seconds) * SECOND })).length;
    expect([0, 5, 11, 14, 15].map(at)).toEqual([0, 0, 0, 1, 0]);
  });

  test("an expression that fails counts as matched, and says so", () => {
    const text = policy('  match: {events: [process.exec]}\n  conditions:\n    - {name: c, expression: "ancestors[9].pid == 1"}\n');
    const judging = detector({ policies: text });
    expect(judging.judge(sampleEvent("execve"))).toMatchObject([
      { finding: { fields: { error: expect.stringContaining("ancestors[9]") } } },
    ]);
    expect(judging.counts.failed).toBe(1);
  });
});
