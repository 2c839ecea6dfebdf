/** The node agent: attests the processes of this machine, and serves their identities. */
import { resolve } from "node:path";
import { Agent } from "../../identity/agent/agent.ts";
import type { AgentEvent } from "../../identity/agent/agent-event.ts";
import { AgentMetrics } from "../../identity/agent/agent-metrics.ts";
import { createWorkloadServer, listenForWorkloads } from "../../identity/agent/workload-server.ts";
import { Accounts } from "../../identity/attestation/accounts.ts";
import type { WorkloadAttestor } from "../../identity/attestation/attestor.ts";
import { BinaryDigest } from "../../identity/attestation/binary-digest.ts";
import { containerAttestor } from "../../identity/attestation/container-attestor.ts";
import { cgroupAttestor, launchedAttestor } from "../../identity/attestation/launched-attestor.ts";
import { SupervisedProcesses } from "../../identity/attestation/supervised-attestor.ts";
import { systemdAttestor } from "../../identity/attestation/systemd-attestor.ts";
import { unixAttestor } from "../../identity/attestation/unix-attestor.ts";
import { serveBrokers } from "../../identity/broker/broker-server.ts";
import { messageOf } from "../../lib/error.ts";
import { nativeProblem } from "../../linux/native.ts";
import { isInInitialCgroupNamespace } from "../../linux/peer-credentials.ts";
import { EventForwarder } from "../event-forwarder.ts";
import { agentSocket } from "../identity-sockets.ts";
import { instanceOf, launchNotesDirectory } from "../installation-instance.ts";
import { createLog, type Log } from "../log.ts";
import type { ReadyReport } from "../process-message.ts";
import type { Running } from "../run-supervised.ts";
import { serveTelemetry } from "../telemetry-server.ts";
import { openTraceExport } from "../trace-export.ts";
import { readVersion } from "../version.ts";
import { authorityOf } from "./authority-of.ts";
import { describeEvent } from "./describe-event.ts";
import type { AgentSettings } from "./settings.ts";

const EVENTS_PER_DRAIN_MS = 1_000;

export async function startAgent({ stateDirectory, configuration }: AgentSettings): Promise<Running> {
  const log = createLog("agent");
  const problem = nativeProblem();
  if (problem !== undefined) return withoutIdentities(problem);
  const metrics = new AgentMetrics();
  const forwarder = new EventForwarder({ stateDirectory, producer: "agent", log });
  const traces = openTraceExport(configuration, "vigil-agent", log);
  const client = await authorityOf(stateDirectory, configuration, log);
  const agent = new Agent({
    client,
    tracer: traces?.tracer,
    onEvent: (event) => {
      metrics.told(event);
      tell(event, log, forwarder);
    },
  });
  metrics.observe(agent);
  const supervised = new SupervisedProcesses(process.ppid);
  const digests = new BinaryDigest();
  const shared = { agent, attestors: [...attestors(agent, digests, stateDirectory), supervised.attestor], metrics };
  const server = createWorkloadServer({
    ...shared,
    version: readVersion(),
    patienceMs: configuration["identity.wait"],
    onFailure: (error) => log("error", `a call failed: ${messageOf(error)}`),
  });
  const path = agentSocket(stateDirectory, configuration);
  await listenForWorkloads(server, path);
  const stopping = new AbortController();
  const running = agent.run(stopping.signal);
  const brokerPath = configuration["identity.brokerSocket"];
  const brokers =
    brokerPath === undefined
      ? undefined
      : await serveBrokers({
          ...shared,
          client,
          path: resolve(brokerPath),
          workloadPath: path,
          patienceMs: configuration["identity.wait"],
          onProblem: (message) => log("warning", message),
        });
  const telemetry = await serveTelemetry(configuration["identity.telemetry"], {
    metrics: () => metrics.expose() + (traces?.metric.expose() ?? ""),
    problem: () => (agent.isReady ? undefined : "the agent has no identities to serve"),
  });
  return {
    report: reportOf(path, brokers?.path, telemetry?.url),
    onProcesses: (processes) => {
      if (supervised.follow(processes)) agent.attestAgain();
    },
    drain: async (withinMs) => {
      telemetry?.close();
      await Promise.all([server.close(withinMs / 2), brokers?.close(withinMs / 2)]);
      stopping.abort();
      await running;
      await digests.close();
      await traces?.close(Math.min(EVENTS_PER_DRAIN_MS, withinMs / 4));
      await forwarder.close(Math.min(EVENTS_PER_DRAIN_MS, withinMs / 4));
    },
  };
}

function attestors(agent: Agent, digests: BinaryDigest, stateDirectory: string): readonly WorkloadAttestor[] {
  const isAgentInContainer = !isInInitialCgroupNamespace();
  return [
    unixAttestor({ accounts: new Accounts(), digests, wantsDigest: () => agent.state.wantsDigest }),
    containerAttestor({ isAgentInContainer }),
    systemdAttestor({ isAgentInContainer }),
    cgroupAttestor({ isAgentInContainer }),
    launchedAttestor({ instance: instanceOf(stateDirectory), notesDirectory: launchNotesDirectory(stateDirectory), isAgentInContainer }),
  ];
}

function tell(event: AgentEvent, log: Log, forwarder: EventForwarder): void {
  const { level, message, facts, decision, action } = describeEvent(event);
  if (level !== undefined) log(level, message, facts);
  if (decision !== undefined) forwarder.decided(decision);
  if (action !== undefined) forwarder.acted(action);
}

const reportOf = (path: string, brokerPath: string | undefined, telemetryUrl: string | undefined): ReadyReport => ({
  on: [
    { what: "identities", where: `unix:${path} (SPIFFE_ENDPOINT_SOCKET)` },
    ...(brokerPath === undefined ? [] : [{ what: "identities for proxies", where: `unix:${brokerPath} (SPIFFE_BROKER_SOCKET)` }]),
    ...(telemetryUrl === undefined ? [] : [{ what: "agent metrics", where: `${telemetryUrl}/metrics` }]),
  ],
  off: [],
  facts: { agentSocket: path },
});

/** Where callers cannot be attested there is nothing to serve; the rest of Vigil works. */
const withoutIdentities = ({ message, hint }: { readonly message: string; readonly hint: string | undefined }): Running => ({
  report: { on: [], off: [{ what: "identities", why: message, ...(hint === undefined ? {} : { how: hint }) }], facts: {} },
  drain: async () => {},
});
