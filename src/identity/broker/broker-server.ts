/** The broker endpoint (SPIFFE_Broker_Endpoint): mutual TLS on a unix socket of its own, for the proxies of this machine. */
import { dirname } from "node:path";
import { HealthStatus } from "../../grpc/health.ts";
import { reflectionServices } from "../../grpc/reflection.ts";
import { GrpcServer } from "../../grpc/server.ts";
import { messageOf, VigilError } from "../../lib/error.ts";
import { createTlsServer } from "../../service/servers.ts";
import { createServiceIdentity } from "../../service/service-identity.ts";
import type { Agent } from "../agent/agent.ts";
import type { AgentMetrics } from "../agent/agent-metrics.ts";
import type { AuthorityClient } from "../agent/authority-client.ts";
import type { CallerLimitSettings } from "../agent/caller-limits.ts";
import { deniedPeers } from "../agent/denied-peers.ts";
import { OwnSvid } from "../agent/own-svid.ts";
import { isRefusal, Refusals } from "../agent/refusals.ts";
import { WorkloadMessages } from "../agent/workload-messages.ts";
import { prepareSocketPath, type WorkloadSocketErrorCode } from "../agent/workload-server.ts";
import type { WorkloadAttestor } from "../attestation/attestor.ts";
import { brokerApi, checkBroker } from "./broker-api.ts";
import { Brokers } from "./brokers.ts";

export interface BrokerServerOptions {
  readonly agent: Agent;
  readonly client: Pick<AuthorityClient, "renewAgentSvid">;
  readonly attestors: readonly WorkloadAttestor[];
  readonly metrics?: AgentMetrics;
  /** Where it listens, and where workloads do: never in one directory. */
  readonly path: string;
  readonly workloadPath: string;
  /** How long a process that is not registered yet may be waited for; 30 s unless given. */
  readonly patienceMs?: number;
  readonly limits?: Partial<CallerLimitSettings>;
  /** What went wrong, and who was turned away. Must not throw. */
  readonly onProblem: (message: string) => void;
}

export interface BrokerServer {
  readonly path: string;
  /** Whether the agent has an SVID to present; until then connections are turned away. */
  readonly isReady: boolean;
  close(drainMs: number): Promise<void>;
}

const DEFAULT_PATIENCE_MS = 30_000;
/** A proxy has some streams for each process of the machine. */
const LIMITS: Partial<CallerLimitSettings> = { maxConnections: 64, maxStreams: 32_768 };
const MAX_CALLS_PER_CONNECTION = 16_384;
const MAX_CONNECTIONS = 256;
const MAX_MESSAGE_BYTES = 256 * 1024;
const SOCKET_MODE = 0o666;
/** Who may reach it is the operator's choice. */
const DIRECTORY_MODE = 0o700;

/** Listens. Whoever connects proves an identity of the own trust domain, or is turned away in the handshake. Rejects with `AGENT_SOCKET` or a `GRPC_ADDRESS…` code. */
export async function serveBrokers(options: BrokerServerOptions): Promise<BrokerServer> {
  const { agent, client, attestors, metrics, path, workloadPath, patienceMs = DEFAULT_PATIENCE_MS, limits = {}, onProblem } = options;
  if (dirname(path) === dirname(workloadPath))
    throw new VigilError<WorkloadSocketErrorCode>(
      "AGENT_SOCKET",
      `the sockets of brokers and of workloads are both in \`${dirname(path)}\``,
      {
        hint: "name a directory for `identity.brokerSocket` that only brokers reach",
      },
    );
  const own = new OwnSvid({ agent, client, onProblem });
  const identity = createServiceIdentity({
    source: own,
    revocations: deniedPeers(agent),
    clock: agent.clock,
    onRefusal: (error) => onProblem(`a broker was turned away: ${error.message}`),
  });
  const brokers = new Brokers({ agent, attestors, limits: { ...LIMITS, ...limits } });
  const check = checkBroker(brokers);
  const refusals = new Refusals(agent);
  const api = brokerApi({ agent, brokers, messages: new WorkloadMessages(agent), patienceMs });
  const health = new HealthStatus();
  const tell = (): void => {
    for (const name of ["", api.service.typeName]) health.set(name, agent.isReady);
  };
  tell();
  const untell = agent.onChange(tell);
  const served = [api, health.service];
  const server = new GrpcServer({
    services: [...served, ...reflectionServices(served)],
    check,
    limits: { maxConcurrentCalls: MAX_CALLS_PER_CONNECTION, maxConnections: MAX_CONNECTIONS, maxMessageBytes: MAX_MESSAGE_BYTES },
    onEnd: (context, status, durationMs) => {
      metrics?.ended(context.method, status, durationMs, context.method.endsWith("/FetchJWTSVID"));
      if (isRefusal(status)) refusals.tell({ method: context.method, status, selectors: [], ...brokers.lastRefusal(context) });
    },
    onFailure: (thrown) => onProblem(`a call of a broker failed: ${messageOf(thrown)}`),
  });
  const listener = createTlsServer(identity, {
    alpnProtocols: ["h2"],
    allow: ({ trustDomain }) => trustDomain === agent.state.trustDomain,
  });
  try {
    prepareSocketPath(path, DIRECTORY_MODE);
    await server.listen({ kind: "unix", path, mode: SOCKET_MODE }, listener);
  } catch (thrown) {
    untell();
    identity.close();
    own.close();
    throw thrown;
  }
  return {
    path,
    get isReady() {
      return identity.svid().ok;
    },
    close: async (drainMs) => {
      await server.close(drainMs);
      untell();
      identity.close();
      own.close();
    },
  };
}
