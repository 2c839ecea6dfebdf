/** The identity that the local agent gives this process, in one call. */
import { systemPacing } from "../grpc/back-off.ts";
import { messageOf } from "../lib/error.ts";
import type { RevocationSource } from "../spiffe/bundle-source.ts";
import { type EndpointAddress, parseEndpointAddress } from "../spiffe/endpoint-address.ts";
import { pathOf, type SpiffeId, trustDomainOf } from "../spiffe/spiffe-id.ts";
import { WorkloadApiClient, type WorkloadApiProblem } from "../spiffe/workload-api/client.ts";
import { WorkloadX509Source } from "../spiffe/workload-api/x509-source.ts";
import type { VerifiedX509Svid } from "../spiffe/x509-svid.ts";
import { AgentRevocations } from "./agent-revocations.ts";
import { parsePeerPattern } from "./peer-rule.ts";
import { ServiceError } from "./service-error.ts";
import { ServiceIdentity, type ServiceIdentityOptions } from "./service-identity.ts";

export interface WorkloadIdentityOptions extends Omit<ServiceIdentityOptions, "source"> {
  /** Besides what the agent says is revoked. */
  readonly revocations?: RevocationSource;
  /** Of the Workload API, Vigil's or SPIRE's: `process.env.SPIFFE_ENDPOINT_SOCKET`. */
  readonly address: string | undefined;
  /** Which identity, when the operator gave several: the one with this hint. The default one unless given. */
  readonly hint?: string;
  /**
   * Which identities this process may have, as patterns of `allow`: an SVID that fits none is not presented, and the process does not start with
   * it. Any unless given.
   */
  readonly expect?: readonly string[];
  /**
   * How long what the agent said last about revocations counts once the agent is away. Then no peer is trusted, and connections are cut, until
   * it is back. For ever unless given.
   */
  readonly maxRevocationAgeMs?: number;
  /** How long to wait for the first SVID; 30 seconds unless given. */
  readonly timeoutMs?: number;
  /** Told when the agent is away or says something wrong; the last good identity stays in use. Must not throw. */
  readonly onProblem?: (problem: WorkloadApiProblem) => void;
}

const FIRST_TIMEOUT_MS = 30_000;

interface AgentSources {
  readonly client: WorkloadApiClient;
  readonly source: WorkloadX509Source;
  readonly revocations: AgentRevocations;
}

class AgentIdentity extends ServiceIdentity {
  readonly #sources: AgentSources;

  constructor(sources: AgentSources, { revocations, ...options }: Omit<ServiceIdentityOptions, "source">) {
    const { source, revocations: ofAgent } = sources;
    super({ ...options, source, revocations: revocations === undefined ? ofAgent : either(ofAgent, revocations) });
    this.#sources = sources;
  }

  override close(): void {
    super.close();
    const { client, source, revocations } = this.#sources;
    source.close();
    revocations.close();
    void client.close();
  }
}

const either = (one: RevocationSource, other: RevocationSource): RevocationSource => ({
  isRevoked: (peer: VerifiedX509Svid) => one.isRevoked(peer) || other.isRevoked(peer),
  onChange: (listener) => {
    const ends = [one.onChange(listener), other.onChange(listener)];
    return () => {
      for (const end of ends) end();
    };
  },
});

/**
 * The identity of this process, from its agent, which renews it. Waits for the first SVID and for what is revoked, and rejects with
 * `SERVICE_NO_IDENTITY` when they do not come. What Vigil's agent revokes later cuts connections; SPIRE's tells of no revocations. `close`
 * it at the end: it holds the connection to the agent.
 */
export async function openWorkloadIdentity({
  address,
  hint,
  timeoutMs = FIRST_TIMEOUT_MS,
  expect,
  maxRevocationAgeMs,
  onProblem,
  ...options
}: WorkloadIdentityOptions): Promise<ServiceIdentity> {
  const client = new WorkloadApiClient(addressOf(address));
  const isExpected = ownIdTest(expect);
  let unexpected: SpiffeId | undefined;
  let problem: WorkloadApiProblem | undefined;
  const tell = (found: WorkloadApiProblem): void => {
    problem = found;
    onProblem?.(found);
  };
  const source = new WorkloadX509Source({
    client,
    pacing: systemPacing,
    onProblem: tell,
    pick: (svids) => {
      const svid = hint === undefined ? svids[0] : svids.find((known) => known.hint === hint);
      if (svid === undefined || isExpected(svid.id)) return svid;
      unexpected = svid.id;
      return undefined;
    },
  });
  const revocations = new AgentRevocations({ client, pacing: systemPacing, maxAgeMs: maxRevocationAgeMs, onProblem: tell });
  const identity = new AgentIdentity({ client, source, revocations }, options);
  try {
    const tooLate = AbortSignal.timeout(timeoutMs);
    await Promise.all([source.ready(tooLate), revocations.ready(tooLate)]);
    if (source.x509Svid() !== undefined || unexpected === undefined) return identity;
  } catch (thrown) {
    identity.close();
    const reason = problem === undefined ? "" : `: ${messageOf(problem)}`;
    throw new ServiceError("SERVICE_NO_IDENTITY", `no X.509-SVID came from \`${address}\` within ${timeoutMs} ms${reason}`, {
      hint: "check that the agent runs there and that this workload is registered: `vigil identity doctor`",
      cause: problem ?? thrown,
    });
  }
  identity.close();
  throw new ServiceError(
    "SERVICE_UNEXPECTED_IDENTITY",
    `the agent at \`${address}\` gives this process the identity \`${unexpected}\`, which it does not expect`,
    {
      hint: "correct the registration of the workload, or the patterns in `expect`",
    },
  );
}

/** Throws a ServiceError with `SERVICE_PEER_PATTERN` for a pattern that is none. */
function ownIdTest(patterns: readonly string[] | undefined): (id: SpiffeId) => boolean {
  const tests = patterns?.map((text) => {
    const pattern = parsePeerPattern(text);
    if (!pattern.ok) throw pattern.error;
    return pattern.value;
  });
  return (id) => tests === undefined || tests.some((fits) => fits({ id, trustDomain: trustDomainOf(id), path: pathOf(id) }));
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
