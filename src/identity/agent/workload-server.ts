/** The agent's socket: the Workload API, Envoy's secrets and `vigil.agent.v1`, for every process of the machine. */
import { chmodSync, lstatSync, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { HealthStatus } from "../../grpc/health.ts";
import { GrpcServer } from "../../grpc/server.ts";
import type { ServiceImplementation } from "../../grpc/service.ts";
import { messageOf, VigilError } from "../../lib/error.ts";
import type { WorkloadAttestor } from "../attestation/attestor.ts";
import type { Agent } from "./agent.ts";
import type { AgentMetrics } from "./agent-metrics.ts";
import { agentService } from "./agent-service.ts";
import { Callers } from "./caller.ts";
import type { CallerLimitSettings } from "./caller-limits.ts";
import { isRefusal, Refusals } from "./refusals.ts";
import { secretDiscovery } from "./secret-discovery.ts";
import { workloadApi } from "./workload-api.ts";
import { WorkloadMessages } from "./workload-messages.ts";

export type WorkloadSocketErrorCode = "AGENT_SOCKET";

export interface WorkloadServerOptions {
  readonly agent: Agent;
  readonly attestors: readonly WorkloadAttestor[];
  readonly metrics?: AgentMetrics;
  readonly version: string;
  /** How long a workload that is not registered yet may wait on its stream; 30 s unless given. */
  readonly patienceMs?: number;
  readonly limits?: Partial<CallerLimitSettings>;
  /** Further services on the same socket, such as reflection. */
  readonly services?: readonly ServiceImplementation[];
  /** What went wrong without being anybody's fault but ours. */
  readonly onFailure?: (error: unknown) => void;
}

const DEFAULT_PATIENCE_MS = 30_000;
/** One process may have many subscribers on one connection. */
const MAX_CALLS_PER_CONNECTION = 2_048;
const MAX_CONNECTIONS = 16_384;
/** What workloads send is small. */
const MAX_MESSAGE_BYTES = 256 * 1024;

/** Not listening yet: see `listenForWorkloads`. */
export function createWorkloadServer(options: WorkloadServerOptions): GrpcServer {
  const { agent, attestors, metrics, version, patienceMs = DEFAULT_PATIENCE_MS, limits = {}, services = [], onFailure } = options;
  const callers = new Callers({ agent, attestors, limits });
  const shared = { agent, callers, messages: new WorkloadMessages(agent), patienceMs };
  const own = [workloadApi(shared), secretDiscovery(shared), agentService({ ...shared, attestors, version }), ...services];
  const all = [...own, healthOf(agent, callers, own)];
  const unary = new Set(all.flatMap(({ methods }) => methods.filter(({ kind }) => kind === "unary").map(({ path }) => path)));
  const refusals = new Refusals(agent);
  return new GrpcServer({
    services: all,
    limits: { maxConcurrentCalls: MAX_CALLS_PER_CONNECTION, maxConnections: MAX_CONNECTIONS, maxMessageBytes: MAX_MESSAGE_BYTES },
    onEnd: (context, status, durationMs) => {
      metrics?.ended(context.method, status, durationMs, unary.has(context.method));
      if (!isRefusal(status)) return;
      const caller = callers.known(context);
      refusals.tell({
        method: context.method,
        status,
        caller: caller?.facts ?? { pid: 0, uid: 0, executablePath: "" },
        message: caller?.lastRefusal ?? "the caller could not be attested",
        selectors: caller?.selectors ?? [],
      });
    },
    ...(onFailure === undefined ? {} : { onFailure }),
  });
}

/** Whether there are identities to serve, for each service and the agent as a whole. Who asks counts as a caller. */
function healthOf(agent: Agent, callers: Callers, services: readonly ServiceImplementation[]): ServiceImplementation {
  const health = new HealthStatus({ check: (context) => void callers.of(context) });
  const names = ["", ...services.map(({ service }) => service.typeName)];
  let told: boolean | undefined;
  const tell = (): void => {
    if (agent.isReady === told) return;
    told = agent.isReady;
    for (const name of names) health.set(name, told);
  };
  tell();
  agent.onChange(tell);
  return health.service;
}

const SOCKET_MODE = 0o666;
const DIRECTORY_MODE = 0o755;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Listens at a path where every process of the machine may connect. Whoever could replace the socket could hand out identities, so the
 * directory must be ours and writable by us alone. Rejects with `AGENT_SOCKET` or a `GRPC_ADDRESS…` code.
 */
export async function listenForWorkloads(server: GrpcServer, path: string): Promise<void> {
  prepareSocketPath(path, DIRECTORY_MODE);
  await server.listen({ kind: "unix", path, mode: SOCKET_MODE });
}

/** Makes the directory of a socket, with `directoryMode`, and sees that nobody else can put one there. Throws `AGENT_SOCKET`. */
export function prepareSocketPath(path: string, directoryMode: number): void {
  prepareDirectory(dirname(path), directoryMode);
  refuseForeign(path);
}

function prepareDirectory(directory: string, directoryMode: number): void {
  try {
    const made = mkdirSync(directory, { recursive: true, mode: directoryMode });
    // The umask may have taken from others the way in.
    if (made !== undefined) chmodSync(directory, directoryMode);
    const { uid, mode } = statSync(directory);
    const isOurs = uid === process.getuid?.() || uid === 0;
    // Not even a sticky one, such as /tmp: once the agent has ended, anybody could listen there.
    if (isOurs && (mode & WRITABLE_BY_OTHERS) === 0) return;
  } catch (error) {
    throw refused(`cannot use the directory \`${directory}\` for the socket: ${messageOf(error)}`, error);
  }
  throw refused(`the directory \`${directory}\` of the socket can be written by other users`);
}

function refuseForeign(path: string): void {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined || status.uid === process.getuid?.()) return;
  throw refused(`\`${path}\` exists and belongs to another user`);
}

const refused = (message: string, cause?: unknown): VigilError<WorkloadSocketErrorCode> =>
  new VigilError("AGENT_SOCKET", message, {
    hint: "name another path with `identity.socket` or `identity.brokerSocket`, in a directory that only you can write",
    cause,
  });
