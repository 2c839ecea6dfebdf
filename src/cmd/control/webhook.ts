/** The webhook of this process: its certificate, its server, and the way from a review to the policies in force. */
import { join } from "node:path";
import { createAdmissionMetrics } from "../../admission/admission-metrics.ts";
import { BreakGlass } from "../../admission/break-glass.ts";
import { CA_BUNDLE_FILE } from "../../admission/certificate-store.ts";
import { excludedNamespaces } from "../../admission/exclusion.ts";
import { startWebhookServer, type WebhookServer } from "../../admission/server.ts";
import { createWebhook, type Decide } from "../../admission/webhook.ts";
import { messageOf } from "../../lib/error.ts";
import { judge } from "../../policy/judge.ts";
import { formatAddress, parseListenAddress } from "../listen-address.ts";
import type { Log } from "../log.ts";
import { ADMISSION_FOLDER, openCertificates } from "./certificates.ts";
import type { Evidence } from "./evidence.ts";
import type { PolicySource } from "./policy-source.ts";
import type { ControlSettings } from "./settings.ts";
import { followWebhookIdentity, type WebhookIdentity } from "./webhook-identity.ts";

const BREAK_GLASS_FILE = "break-glass.json";

export interface Webhook {
  readonly server: WebhookServer;
  readonly breakGlass: BreakGlass;
  /** `https://127.0.0.1:8443` */
  readonly url: string;
  /** PEM, for clients. */
  readonly caFile: string;
  readonly identity: WebhookIdentity;
}

export async function startWebhook(
  { stateDirectory, installation, configuration }: ControlSettings,
  { policies, evidence, log }: { readonly policies: PolicySource; readonly evidence: Evidence; readonly log: Log },
  signal: AbortSignal,
): Promise<Webhook> {
  const address = parseListenAddress(configuration["admission.listen"]);
  const directory = join(stateDirectory, ADMISSION_FOLDER);
  const certificate = await openCertificates(stateDirectory, configuration);
  const breakGlass = new BreakGlass({ path: join(directory, BREAK_GLASS_FILE), nowMs: Date.now, report: evidence.acted });
  await breakGlass.load();
  const metrics = createAdmissionMetrics();
  const answer = createWebhook({
    decide: decideBy(policies),
    excluded: new Set(excludedNamespaces(configuration["admission.namespace"], configuration["admission.exclude"])),
    breakGlass: () => breakGlass.state(),
    onFailure: configuration["admission.onFailure"],
    emit: evidence.decided,
    metrics,
    steadyMs: () => performance.now(),
  });
  const readings = {
    snapshotId: () => policies.current?.id,
    isBreakGlassOpen: () => breakGlass.state() !== undefined,
    eventsQueued: () => evidence.store.status().queued,
    eventsLost: () => evidence.store.status().lost,
  };
  const identity = followWebhookIdentity({ stateDirectory, installation, configuration }, { folder: directory, log }, signal);
  const server = await startWebhookServer(
    {
      ...address,
      certificate,
      named: identity,
      answer,
      metrics,
      readings,
      unreadyReasons: () => (policies.current === undefined ? ["no policies are in force yet"] : []),
      limits: { drainMs: configuration["admission.drain"], maxInFlight: configuration["admission.maxInFlight"] },
    },
    signal,
  );
  void certificate.run(signal, (thrown) => log("error", `the certificate cannot be renewed: ${messageOf(thrown)}`));
  return { server, breakGlass, url: `https://${formatAddress(server.address)}`, caFile: join(directory, CA_BUNDLE_FILE), identity };
}

const decideBy =
  (policies: PolicySource): Decide =>
  (review, phase) => {
    const inForce = policies.current;
    if (inForce === undefined) return undefined;
    const world = { ...inForce.world, nowMs: Date.now() };
    return judge(inForce.snapshot, review, world, { phase, clockUs: () => performance.now() * 1_000, unknownNamespaces: "bare" });
  };
