/** The control process: policies, the webhook, the event store and the management API. */

import type { SnapshotStatus } from "../../admission/active-snapshot.ts";
import type { BreakGlassOpening } from "../../admission/break-glass.ts";
import type { EventStoreStatus } from "../../evidence/event-store.ts";
import { EVENTS_ROUTE } from "../event-forwarder.ts";
import { createLog } from "../log.ts";
import { type Routes, serveManagement } from "../management-server.ts";
import { BUILT_IN } from "../policy-set.ts";
import type { ProcessStatus, ReadyReport } from "../process-message.ts";
import type { Running } from "../run-supervised.ts";
import { readVersion } from "../version.ts";
import { breakGlassRoutes } from "./break-glass-routes.ts";
import { type Evidence, openEvidence } from "./evidence.ts";
import { storeForwarded } from "./forwarded-events.ts";
import { PolicySource } from "./policy-source.ts";
import type { ControlSettings } from "./settings.ts";
import { startWebhook, type Webhook } from "./webhook.ts";

/** What `GET /v1/status` answers. */
export interface ControlStatus {
  readonly version: string;
  readonly installation: string;
  readonly startedAtMs: number;
  readonly processes: readonly ProcessStatus[];
  readonly policies: SnapshotStatus & { readonly count: number; readonly sources: readonly string[] };
  readonly admission: { readonly url: string; readonly breakGlass: BreakGlassOpening | null };
  readonly events: EventStoreStatus & { readonly directory: string };
}

export async function startControl(settings: ControlSettings): Promise<Running> {
  const startedAtMs = Date.now();
  const log = createLog("control");
  const stopping = new AbortController();
  const evidence = openEvidence(settings, log);
  const sources = settings.configuration.policies.length === 0 ? [BUILT_IN] : settings.configuration.policies;
  const policies = new PolicySource({ sources, evidence, log });
  await policies.follow(stopping.signal);
  const webhook = await startWebhook(settings, { policies, evidence, log }, stopping.signal);
  let processes: readonly ProcessStatus[] = [];
  const status = (): ControlStatus => ({
    version: readVersion(),
    installation: settings.installation,
    startedAtMs,
    processes,
    policies: { ...policies.status, count: policies.count, sources },
    admission: { url: webhook.url, breakGlass: webhook.breakGlass.state() ?? null },
    events: { ...evidence.store.status(), directory: evidence.directory },
  });
  const routes: Routes = {
    "GET /v1/status": status,
    "POST /v1/reload": async () => ({ diagnostics: await policies.reload(), policies: status().policies }),
    ...breakGlassRoutes(webhook.breakGlass),
    [EVENTS_ROUTE]: (body) => storeForwarded(body, evidence),
  };
  const management = await serveManagement(settings.stateDirectory, routes);
  evidence.acted({ action: "start", object: "control", outcome: "done", message: `at ${webhook.url}`, subject: "vigil", severity: 1 });
  return {
    report: reportOf(settings, { policies, webhook, evidence, sources, hasIdentity: await webhook.identity.hasBegun() }),
    onProcesses: (all) => {
      processes = all;
    },
    drain: async (withinMs) => {
      management.close();
      stopping.abort();
      const cut = await webhook.server.stopped;
      if (cut > 0) log("warning", "connections were cut at the end of the drain time", { count: cut });
      evidence.acted({ action: "stop", object: "control", outcome: "done", message: "drained", subject: "vigil", severity: 1 });
      const lost = await evidence.store.close(withinMs / 2);
      if (lost > 0) log("error", "events could not be stored before the end", { count: lost });
    },
  };
}

function reportOf(
  { stateDirectory }: ControlSettings,
  parts: {
    readonly policies: PolicySource;
    readonly webhook: Webhook;
    readonly evidence: Evidence;
    readonly sources: readonly string[];
    readonly hasIdentity: boolean;
  },
): ReadyReport {
  const { policies, webhook, evidence, sources, hasIdentity } = parts;
  const mistakes = policies.status.diagnostics.filter(({ severity }) => severity === "error").length;
  return {
    on: [
      { what: "webhook", where: `${webhook.url}/validate and /mutate` },
      {
        what: "policies",
        where: [
          `${policies.count} from ${sources.join(", ")}`,
          ...(mistakes > 0 ? [`${mistakes} mistakes (above)`] : []),
          ...(policies.count === 0 ? ["every review is allowed"] : []),
        ].join(", "),
      },
      { what: "events", where: evidence.directory },
      { what: "management", where: `${stateDirectory}/vigil.sock` },
    ],
    off: [
      ...(hasIdentity
        ? []
        : [
            {
              what: "SVID of the webhook",
              why: "the agent gave none yet; the webhook has its own certificate",
              how: "`vigil identity doctor` says why",
            },
          ]),
      {
        what: "cluster",
        why: "none is connected: of namespaces and parameters only those among the policies are known",
        how: "`vigil deploy webhook` prints what makes an API server ask this one",
      },
    ],
    facts: {
      url: webhook.url,
      caFile: webhook.caFile,
      ...(hasIdentity ? { trustBundle: webhook.identity.bundleFile, serverName: webhook.identity.serverName } : {}),
    },
  };
}
