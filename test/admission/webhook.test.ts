/** The webhook, the judge and the built-in packs together, over TLS, down to the event store. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAdmissionMetrics } from "../../src/admission/admission-metrics.ts";
import { CertificateStore } from "../../src/admission/certificate-store.ts";
import { startWebhookServer, type WebhookServer } from "../../src/admission/server.ts";
import { createWebhook } from "../../src/admission/webhook.ts";
import { webhookConfigurations } from "../../src/admission/webhook-configuration.ts";
import { rulesOfPolicies, unionOfRules } from "../../src/admission/webhook-rule.ts";
import { readEvents } from "../../src/evidence/event-reader.ts";
import { EventStore } from "../../src/evidence/event-store.ts";
import type { JsonObject } from "../../src/lib/json.ts";
import { applyPatch } from "../../src/policy/json-patch.ts";
import { judge } from "../../src/policy/judge.ts";
import { ruleCovers, shapeOf } from "../../src/policy/resource-rule.ts";
import type { World } from "../../src/policy/review.ts";
import { reviewOfAdmissionRequest } from "../../src/policy/review-of.ts";
import { sampleProducer } from "../evidence/sample-producer.ts";
import { webhookFuzz } from "../fuzz/webhook.ts";
import { readPacks } from "./packs.ts";
import { sampleReview } from "./sample-review.ts";

const directory = mkdtempSync(join(tmpdir(), "vigil-webhook-"));
const { snapshot, world: packWorld } = readPacks(Date.now());
const SHOP = { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop", labels: { "vigil.dev/harden": "true" } } };
const world: World = { ...packWorld, namespace: (name) => (name === "shop" ? SHOP : packWorld.namespace(name)) };
const controller = new AbortController();
const producer = sampleProducer();
const events = new EventStore({ directory: join(directory, "events"), producer });
let server: WebhookServer;
let ca = "";

beforeAll(async () => {
  const certificate = await CertificateStore.open({
    directory: join(directory, "tls"),
    names: [{ kind: "ip", value: "127.0.0.1" }],
    nowMs: Date.now,
  });
  ca = certificate.current().caBundlePem;
  const metrics = createAdmissionMetrics();
  const answer = createWebhook({
    decide: (review, phase) => judge(snapshot, review, world, { phase, unknownNamespaces: "bare" }),
    excluded: new Set(["kube-system"]),
    breakGlass: () => undefined,
    onFailure: "refuse",
    emit: (fields) => void events.append(producer.decision(fields)),
    metrics,
    steadyMs: () => performance.now(),
  });
  const readings = { snapshotId: () => snapshot.id, isBreakGlassOpen: () => false, eventsQueued: () => 0, eventsLost: () => 0 };
  server = await startWebhookServer(
    { host: "127.0.0.1", port: 0, certificate, answer, metrics, readings, unreadyReasons: () => [] },
    controller.signal,
  );
});
afterAll(async () => {
  controller.abort();
  await server.stopped;
  await events.close();
  rmSync(directory, { recursive: true });
});

async function ask(path: string, review: JsonObject) {
  const asked = request({ ...server.address, ca, method: "POST", path, headers: { "content-type": "application/json" } });
  asked.end(JSON.stringify(review));
  const [response] = await once(asked, "response");
  return JSON.parse(await text(response)).response;
}

const SAFE_POD = sampleReview(0);
const PRIVILEGED_POD = sampleReview(1);
const CLUSTER_ADMIN = sampleReview(4);

test("a Pod as it should be is allowed, a privileged one is not, and its event says which policy and values", async () => {
  expect(await ask("/validate", SAFE_POD)).toMatchObject({ allowed: true });
  const denied = await ask("/validate", PRIVILEGED_POD);
  expect(denied).toMatchObject({ allowed: false, status: { code: expect.any(Number), message: expect.stringContaining("privileged") } });
  await events.appended(producer.action({ severity: 1, subject: "test", action: "mark", object: "test", outcome: "done", message: "" }));
  const found = readEvents(join(directory, "events"), { verdict: "deny", object: "web-1" }, 10);
  expect(found).toContainEqual(
    expect.objectContaining({ auditId: denied.uid, policy: "pod-security-baseline", source: expect.stringContaining("baseline.yaml") }),
  );
  expect(found.some((event) => event.kind === "decision" && event.evidence.length > 0)).toBe(true);
});

test("a role that may do everything is refused or warned of", async () => {
  const { allowed, warnings = [] } = await ask("/validate", CLUSTER_ADMIN);
  expect(allowed === false || warnings.length > 0).toBe(true);
});

test("the patch of a mutating review hardens the Pod as received", async () => {
  const review = sampleReview(0);
  const bare: JsonObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web" },
    spec: { containers: [{ name: "web", image: "registry.example.com/web:1" }] },
  };
  const { allowed, patchType, patch } = await ask("/mutate", withObject(review, bare));
  expect([allowed, patchType]).toEqual([true, "JSONPatch"]);
  expect(applyPatch(bare, JSON.parse(Buffer.from(patch, "base64").toString()))).toMatchObject({
    ok: true,
    value: {
      metadata: { name: "web" },
      spec: { containers: [{ name: "web", securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } } }] },
    },
  });
});

const withObject = (review: JsonObject, object: JsonObject): JsonObject => {
  const { request } = review;
  return { ...review, request: { ...(request as JsonObject), object } };
};

test("the configuration reaches every request of the samples that a policy matches", () => {
  const rules = { validate: rulesOfPolicies(snapshot.validating.policies), mutate: rulesOfPolicies(snapshot.mutating.policies) };
  const kinds = webhookConfigurations({
    rules,
    caBundlePem: ca,
    client: { kind: "url", url: "https://10.0.0.7:8443" },
    namespace: "vigil-system",
  }).map(({ kind }) => kind);
  expect(kinds).toEqual(["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"]);
  for (const number of [0, 1, 2, 3, 4]) {
    const review = reviewOfAdmissionRequest(sampleReview(number));
    if (!review.ok) throw new Error(review.error.message);
    const shape = shapeOf(review.value);
    const isReached = unionOfRules(rules.validate).some((rule) => ruleCovers({ ...rule, resourceNames: [] }, shape, shape.resource));
    expect(isReached).toBe(snapshot.validating.candidatesFor(shape).length > 0);
  }
});

test("a few hundred mutated bodies get an answer each", () => {
  let state = 1;
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  for (let run = 0; run < 500; run++) webhookFuzz.run(random);
});
