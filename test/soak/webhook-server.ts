/** The webhook of the soak test in a process of its own, so that its heap is nobody else's. Speaks with its parent over IPC. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAdmissionMetrics } from "../../src/admission/admission-metrics.ts";
import { CertificateStore } from "../../src/admission/certificate-store.ts";
import { startWebhookServer } from "../../src/admission/server.ts";
import { createWebhook } from "../../src/admission/webhook.ts";
import { EventProducer } from "../../src/event/producer.ts";
import { EventStore } from "../../src/evidence/event-store.ts";
import { judge } from "../../src/policy/judge.ts";
import { readPacks } from "../admission/packs.ts";

const directory = mkdtempSync(join(tmpdir(), "vigil-soak-"));
const random = (target: Uint8Array): void => void crypto.getRandomValues(target);
const producer = new EventProducer({ producer: "soak@0.0.0", node: "soak", bootId: randomUUID(), clock: Date.now, random });
const events = new EventStore({ directory: join(directory, "events"), producer });
const { snapshot, world } = readPacks(Date.now());
const metrics = createAdmissionMetrics();
const certificate = await CertificateStore.open({
  directory: join(directory, "tls"),
  names: [{ kind: "ip", value: "127.0.0.1" }],
  nowMs: Date.now,
});
const answer = createWebhook({
  decide: (review, phase) => judge(snapshot, review, { ...world, nowMs: Date.now() }, { phase, clockUs: () => performance.now() * 1000 }),
  excluded: new Set(["kube-system"]),
  breakGlass: () => undefined,
  onFailure: "deny",
  emit: (fields) => void events.append(producer.decision(fields)),
  metrics,
  steadyMs: () => performance.now(),
});
const readings = {
  snapshotId: () => snapshot.id,
  isBreakGlassOpen: () => false,
  eventsQueued: () => events.status().queued,
  eventsLost: () => events.status().lost,
};
const controller = new AbortController();
const server = await startWebhookServer(
  { host: "127.0.0.1", port: 0, certificate, answer, metrics, readings, unreadyReasons: () => [] },
  controller.signal,
);

process.on("message", (message) => void (message === "stop" ? stop() : sample()));
process.send?.({ port: server.address.port, ca: certificate.current().caBundlePem });

function sample(): void {
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  const { committed, lost } = events.status();
  process.send?.({ heapBytes: heapUsed, rssBytes: rss, committed, lost });
}

async function stop(): Promise<void> {
  controller.abort();
  await server.stopped;
  await events.close();
  rmSync(directory, { recursive: true });
  process.disconnect();
}
