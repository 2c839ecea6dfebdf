import { describe, expect, test } from "vitest";
import type { DecisionFields } from "../event/producer.ts";
import type { Decision, Verdict } from "../policy/decision.ts";
import { type AdmissionMetrics, createAdmissionMetrics } from "./admission-metrics.ts";
import type { Phase } from "./admission-response.ts";
import { excludedNamespaces } from "./exclusion.ts";
import { createWebhook, type Reply, type WebhookOptions } from "./webhook.ts";

const VERDICT: Verdict = {
  outcome: "deny",
  policy: "no-root",
  policyKind: "ValidatingPolicy",
  policyNamespace: "shop",
  rule: "validations[0]",
  message: "runs as root",
  reason: "Forbidden",
  isError: false,
  evidence: [{ expression: "object.spec.x", value: "0" }],
  cost: 7,
  durationUs: 12,
  source: { file: "p.yaml", line: 3, column: 5 },
  severity: "critical",
};
const ALLOWED: Decision = {
  allowed: true,
  code: 200,
  message: "",
  reason: "",
  verdicts: [],
  warnings: [],
  auditAnnotations: {},
  patch: [],
  snapshotId: "sha256:1",
  durationUs: 40,
};
const DENIED: Decision = {
  ...ALLOWED,
  allowed: false,
  code: 403,
  message: "no-root: runs as root",
  reason: "Forbidden",
  verdicts: [VERDICT],
};

const REQUEST = {
  uid: "u-1",
  kind: { group: "", version: "v1", kind: "Pod" },
  resource: { group: "", version: "v1", resource: "pods" },
  name: "web",
  namespace: "shop",
  operation: "CREATE",
  userInfo: { username: "jo" },
  object: { apiVersion: "v1", kind: "Pod", metadata: { name: "web" } },
  oldObject: null,
  dryRun: false,
};
const bodyOf = (request: object): Uint8Array =>
  Buffer.from(JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request }));

interface Asked {
  readonly reply: Reply;
  readonly json: Record<string, Record<string, unknown>>;
  readonly events: readonly DecisionFields[];
  readonly metrics: AdmissionMetrics;
}

function ask(options: Partial<WebhookOptions>, body: Uint8Array = bodyOf(REQUEST), phase: Phase = "validate"): Asked {
  const events: DecisionFields[] = [];
  const metrics = createAdmissionMetrics();
  const answer = createWebhook({
    decide: () => ALLOWED,
    excluded: new Set(excludedNamespaces("vigil-system", ["legacy"])),
    breakGlass: () => undefined,
    onFailure: "deny",
    emit: (event) => events.push(event),
    metrics,
    steadyMs: () => 0,
    ...options,
  });
  const reply = answer(body, phase);
  return { reply, json: JSON.parse(reply.body), events, metrics };
}

test("an allowed review answers 200, and one event says so", () => {
  const { reply, json, events } = ask({});
  expect(reply.status).toBe(200);
  expect(json["response"]).toEqual({ uid: "u-1", allowed: true });
  expect(events).toEqual([
    expect.objectContaining({
      verdict: "allow",
      object: "Pod shop/web",
      action: "create",
      subject: "jo",
      auditId: "u-1",
      policyDigest: "sha256:1",
      latencyUs: 40,
      mode: "enforce",
    }),
  ]);
});

test("a denial answers with its status, and its event holds policy, rule, values and place", () => {
  const { json, events, metrics } = ask({ decide: () => DENIED });
  expect(json["response"]).toMatchObject({
    uid: "u-1",
    allowed: false,
    status: { code: 403, reason: "Forbidden", message: DENIED.message },
  });
  expect(events).toEqual([
    {
      point: "admission",
      mode: "enforce",
      verdict: "deny",
      severity: 5,
      policy: "shop/no-root",
      policyDigest: "sha256:1",
      rule: "validations[0]",
      reasonCode: "Forbidden",
      action: "create",
      object: "Pod shop/web",
      message: "runs as root",
      latencyUs: 12,
      evidence: VERDICT.evidence,
      source: "p.yaml:3:5",
      subject: "jo",
      auditId: "u-1",
    },
  ]);
  expect(metrics.verdicts.expose()).toContain('{policy_kind="ValidatingPolicy",outcome="deny"} 1');
});

test("warn and audit are noted beside the allow, skip and allow of single policies are not", () => {
  const verdicts = (["warn", "audit", "skip", "allow", "error"] as const).map((outcome) => ({
    ...VERDICT,
    outcome,
    isError: outcome === "error",
  }));
  const { events } = ask({ decide: () => ({ ...ALLOWED, verdicts }) });
  expect(events.map(({ verdict, reasonCode }) => [verdict, reasonCode])).toEqual([
    ["warn", "Forbidden"],
    ["audit", "Forbidden"],
    ["error", "POLICY_ERROR"],
    ["allow", ""],
  ]);
});

test("a mutating review is noted only when it changed the object, a dry run is marked", () => {
  expect(ask({}, bodyOf(REQUEST), "mutate").events).toEqual([]);
  const patch = [{ op: "remove", path: "/x" }] as const;
  const { events, json } = ask({ decide: () => ({ ...ALLOWED, patch }) }, bodyOf({ ...REQUEST, dryRun: true }), "mutate");
  expect(json["response"]).toHaveProperty("patch");
  expect(events).toEqual([expect.objectContaining({ verdict: "allow", message: "1 changes", mode: "dry-run" })]);
});

test.each([
  ["a name that is not made yet", { name: "", object: { metadata: { generateName: "web-" } } }, "Pod shop/web-*"],
  ["a subresource", { subResource: "exec", operation: "CONNECT", object: null }, "Pod/exec shop/web"],
  ["a cluster-scoped object", { kind: { group: "", version: "v1", kind: "Node" }, namespace: "" }, "Node web"],
  ["a Namespace", { kind: { group: "", version: "v1", kind: "Namespace" }, namespace: "web" }, "Namespace web"],
])("an event names %s", (_, change, object) => expect(ask({}, bodyOf({ ...REQUEST, ...change })).events[0]?.object).toBe(object));

describe("self-protection", () => {
  const denyAll = { decide: () => DENIED };
  const lease = { group: "coordination.k8s.io", version: "v1", resource: "leases" };
  test.each([
    ["the system's namespace", { namespace: "kube-system" }],
    ["Vigil's own namespace", { namespace: "vigil-system" }],
    ["a namespace that the owner added", { namespace: "legacy" }],
    ["leases", { resource: lease }],
    ["a node's status", { resource: { group: "", version: "v1", resource: "nodes" }, subResource: "status" }],
    ["events", { resource: { group: "events.k8s.io", version: "v1", resource: "events" } }],
    ["token reviews", { resource: { group: "authentication.k8s.io", version: "v1", resource: "tokenreviews" } }],
  ])("%s is allowed without asking a policy", (_, change) => {
    const { json, events, metrics } = ask(denyAll, bodyOf({ ...REQUEST, ...change }));
    expect(json["response"]).toEqual({ uid: "u-1", allowed: true });
    expect(events).toEqual([]);
    expect(metrics.reviews.expose()).toContain('verdict="excluded"} 1');
  });
  test("a node itself is judged, and so is another namespace", () => {
    expect(ask(denyAll, bodyOf({ ...REQUEST, resource: { group: "", version: "v1", resource: "nodes" } })).json["response"]).toMatchObject({
      allowed: false,
    });
    expect(ask(denyAll).json["response"]).toMatchObject({ allowed: false });
  });
});

test("break-glass allows without asking a policy, with a warning and an event", () => {
  const opening = { openedBy: "root", reason: "upgrade", openedAtMs: 0, expiresAtMs: Date.UTC(2026, 0, 1) };
  const { json, events } = ask({ decide: () => DENIED, breakGlass: () => opening });
  expect(json["response"]).toMatchObject({ allowed: true, warnings: [expect.stringContaining("break-glass is open until 2026-01-01")] });
  expect(events).toEqual([expect.objectContaining({ verdict: "allow", reasonCode: "BREAK_GLASS", severity: 4, object: "Pod shop/web" })]);
});

describe("a judge that throws", () => {
  const decide = (): never => {
    throw new Error("broken\ninvariant");
  };
  const noted = expect.objectContaining({ verdict: "error", reasonCode: "ADMISSION_FAILED", message: "broken invariant" });
  test("is a denial that does not tell the client why", () => {
    const { reply, json, events } = ask({ decide, onFailure: "deny" });
    expect(reply.status).toBe(200);
    expect(json["response"]).toMatchObject({ uid: "u-1", allowed: false, status: { code: 500, reason: "InternalError" } });
    expect(reply.body).not.toContain("invariant");
    expect(events).toEqual([noted]);
  });
  test("is HTTP 500 where the failure policy of the configuration shall decide", () => {
    const { reply, json, events } = ask({ decide, onFailure: "refuse" });
    expect(reply.status).toBe(500);
    expect(json).toMatchObject({ kind: "Status", reason: "InternalError" });
    expect(events).toEqual([noted]);
  });
});

test("while no policies are in force it is not ready", () => {
  const { reply, json } = ask({ decide: () => undefined });
  expect(reply.status).toBe(503);
  expect(json["details"]).toEqual({ causes: [expect.objectContaining({ reason: "ADMISSION_NOT_READY" })] });
});

const REVIEW = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview" };
test.each<[string, string | Uint8Array, string]>([
  ["no JSON", "{", "JSON_SYNTAX"],
  ["invalid UTF-8", Uint8Array.of(0x22, 0xff, 0x22), "JSON_UTF8"],
  ["a name twice", '{"kind":"AdmissionReview","kind":"AdmissionReview"}', "JSON_DUPLICATE_NAME"],
  ["__proto__", '{"__proto__":{}}', "JSON_FORBIDDEN_NAME"],
  ["deep nesting", "[".repeat(300) + "]".repeat(300), "JSON_DEPTH"],
  ["no object", "[]", "REVIEW_INVALID"],
  ["another version", JSON.stringify({ ...REVIEW, apiVersion: "admission.k8s.io/v1beta1", request: REQUEST }), "REVIEW_VERSION"],
  ["another kind", JSON.stringify({ ...REVIEW, kind: "Pod" }), "REVIEW_VERSION"],
  ["no request", JSON.stringify(REVIEW), "REVIEW_NO_REQUEST"],
  ["a response", JSON.stringify({ ...REVIEW, response: {} }), "REVIEW_NO_REQUEST"],
  ["no uid", JSON.stringify({ ...REVIEW, request: { ...REQUEST, uid: "" } }), "REVIEW_INVALID"],
  ["another operation", JSON.stringify({ ...REVIEW, request: { ...REQUEST, operation: "READ" } }), "REVIEW_INVALID"],
  ["an object that is a list", JSON.stringify({ ...REVIEW, request: { ...REQUEST, object: [] } }), "REVIEW_INVALID"],
])("a body with %s is a bad request with its code", (_, body, code) => {
  const { reply, json, events, metrics } = ask({}, Buffer.from(body));
  expect(reply.status).toBe(400);
  expect(json).toMatchObject({ kind: "Status", apiVersion: "v1", status: "Failure", code: 400, details: { causes: [{ reason: code }] } });
  expect(events).toEqual([]);
  expect(metrics.refusals.expose()).toContain(`{code="${code}"} 1`);
});
