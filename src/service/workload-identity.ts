/** The identity that the local agent gives this process, in one call. */
import { systemPacing } from "../grpc/back-off.ts";
import { messageOf } from "../lib/error.ts";
import type { RevocationSource } from "../spiffe/bundle-source.ts";
import { type EndpointAddress, parseEndpointAddress } from "../spiffe/endpoint-address.ts";
import { WorkloadApiClient, type WorkloadApiProblem } from "../spiffe/workload-api/client.ts";
import { WorkloadX509Source } from "../spiffe/workload-api/x509-source.ts";
import { AgentRevocations } from "./agent-revocations.ts";
import { ServiceError } from "./service-error.ts";
import { ServiceIdentity, type ServiceIdentityOptions } from "./service-identity.ts";

export interface WorkloadIdentityOptions extends Omit<ServiceIdentityOptions, "source"> {
  /** Of the Workload API, Vigil's or SPIRE's: `process.env.SPIFFE_ENDPOINT_SOCKET`. */
  readonly address: string | undefined;
  /** Which identity, when the operator gave several: the one with this hint. The default one unless given. */
  readonly hint?: string;
  /** How long to wait for the first SVID; 30 seconds unless given. */
  readonly timeoutMs?: number;
  /** Told when the agent is away or says something wrong; the last good identity stays in use. Must not throw. */
  readonly onProblem?: (problem: WorkloadApiProblem) => void;
}

const FIRST_TIMEOUT_MS = 30_000;

/** What one process holds of its agent. */
interface AgentLink {
  readonly client: WorkloadApiClient;
  readonly source: WorkloadX509Source;
  readonly revocations: AgentRevocations;
}

class AgentIdentity extends ServiceIdentity {
  readonly #link: AgentLink;

  constructor(link: AgentLink, options: Omit<ServiceIdentityOptions, "source">) {
    const others = options.revocations === undefined ? [] : [options.revocations];
    super({ ...options, source: link.source, revocations: anyOf([link.revocations, ...others]) });
    this.#link = link;
  }

  override close(): void {
    super.close();
    this.#link.source.close();
    this.#link.revocations.close();
    void this.#link.client.close();
  }
}

const anyOf = (sources: readonly RevocationSource[]): RevocationSource => ({
  isRevoked: (peer) => sources.some((source) => source.isRevoked(peer)),
  onChange: (listener) => {
    const ends = sources.map((source) => source.onChange(listener));
    return () => {
      for (const end of ends) end();
    };
  },
});

/**
 * The identity of this process, from its agent, which renews it; what the agent of Vigil revokes is refused, beside what `revocations` says.
 * Waits for the first SVID, and rejects with `SERVICE_NO_IDENTITY` when none
 * comes. `close` it at the end: it holds the connection to the agent.
 */
export async function openWorkloadIdentity({
  address,
  hint,
  timeoutMs = FIRST_TIMEOUT_MS,
  onProblem,
  ...options
}: WorkloadIdentityOptions): Promise<ServiceIdentity> {
  const endpoint = addressOf(address);
  const client = new WorkloadApiClient(endpoint);
  let problem: WorkloadApiProblem | undefined;
  const source = new WorkloadX509Source({
    client,
    pacing: systemPacing,
    onProblem: (found) => {
      problem = found;
      onProblem?.(found);
    },
    ...(hint === undefined ? {} : { pick: (svids) => svids.find((svid) => svid.hint === hint) }),
  });
  const revocations = new AgentRevocations({ address: endpoint, pacing: systemPacing, onProblem: (found) => onProblem?.(found) });
  const identity = new AgentIdentity({ client, source, revocations }, options);
  try {
    const late = AbortSignal.timeout(timeoutMs);
    await source.ready(late);
    // An agent that is there answers this at once, too. Whom it has revoked should not be let in meanwhile.
    await revocations.answered(late);
    return identity;
  } catch (thrown) {
    identity.close();
    const reason = problem === undefined ? "" : `: ${messageOf(problem)}`;
    throw new ServiceError("SERVICE_NO_IDENTITY", `no X.509-SVID came from \`${address}\` within ${timeoutMs} ms${reason}`, {
      hint: "check that the agent runs there and that this workload is registered: `vigil identity doctor`",
      cause: problem ?? thrown,
    });
  }
}

/** Throws a ServiceError when there is no address or it is none. */
function addressOf(text: string | undefined): EndpointAddress {
  if (text === undefined || text === "")
    throw new ServiceError("SERVICE_NO_IDENTITY", "there is no address of a Workload API", {
      hint: "set `SPIFFE_ENDPOINT_SOCKET` to the socket of the agent, such as `unix:///run/vigil/agent.sock`",
    });
  const address = parseEndpointAddress(text);
  if (!address.ok) throw new ServiceError("SERVICE_NO_IDENTITY", address.error.message, { cause: address.error });
  return address.value;
}
