/** What Vigil's agent says is no longer trusted, followed like the identity itself. Other agents of the Workload API say nothing of the kind. */
import type { Pacing } from "../grpc/back-off.ts";
import { GrpcError } from "../grpc/grpc-error.ts";
import { ok, type Result } from "../lib/result.ts";
import type { RevocationSource } from "../spiffe/bundle-source.ts";
import { refuse, type SpiffeError } from "../spiffe/spiffe-error.ts";
import { parseTrustDomain, type TrustDomain, trustDomainOf } from "../spiffe/spiffe-id.ts";
import type { WorkloadApiClient, WorkloadApiProblem } from "../spiffe/workload-api/client.ts";
import { WatchedState } from "../spiffe/workload-api/source.ts";
import { follow } from "../spiffe/workload-api/subscription.ts";
import type { X509Certificate } from "../spiffe/x509-certificate.ts";
import type { VerifiedX509Svid } from "../spiffe/x509-svid.ts";
import { Agent, type Revocations as RevocationsMessage } from "./generated/vigil/agent/v1/agent_pb.ts";

interface Revoked {
  readonly spiffeIds: ReadonlySet<string>;
  readonly serials: ReadonlySet<bigint>;
  readonly authorityIds: ReadonlySet<string>;
  /** The trust domain of serials and authorities; undefined when there are none of either. */
  readonly trustDomain: TrustDomain | undefined;
}

const NOTHING: Revoked = { spiffeIds: new Set(), serials: new Set(), authorityIds: new Set(), trustDomain: undefined };

export interface AgentRevocationsOptions {
  readonly client: WorkloadApiClient;
  readonly pacing: Pacing;
  /** How long what the agent said last counts once it is away; then nobody is trusted until it is back. For ever unless given. */
  readonly maxAgeMs?: number | undefined;
  /** Told of everything that goes wrong but of an agent that knows no revocations. Must not throw. */
  readonly onProblem: (problem: WorkloadApiProblem) => void;
}

/** Starts following at once. While the agent is away, what it said last stays revoked. */
export class AgentRevocations implements RevocationSource {
  readonly #state = new WatchedState<Revoked>();
  readonly #maxAgeMs: number;
  readonly #pacing: Pacing;
  /** Since when the agent is away. */
  #awaySinceMs: number | undefined;

  constructor({ client, pacing, maxAgeMs = Number.POSITIVE_INFINITY, onProblem }: AgentRevocationsOptions) {
    this.#maxAgeMs = maxAgeMs;
    this.#pacing = pacing;
    void follow({
      open: (signal) => client.channel.serverStreaming(Agent.method.watchRevocations, {}, { signal }),
      read: readRevocations,
      onUpdate: (update) => {
        this.#awaySinceMs = undefined;
        this.#state.set(update);
      },
      // Who may not ask any more has not learned that anybody is trusted again.
      onRedaction: () => {},
      onProblem: (problem, isFinal) => {
        // SPIRE's agent: there the end of trust is the end of an SVID's life, or an authority that leaves the bundle.
        if (problem instanceof GrpcError && problem.status === "UNIMPLEMENTED") return this.#state.set(NOTHING);
        this.#awaySinceMs ??= pacing.nowMs();
        if (isFinal) this.#state.giveUp(problem);
        onProblem(problem);
      },
      pacing,
      signal: this.#state.ended,
    });
  }

  isRevoked({ id, path }: VerifiedX509Svid): boolean {
    // Deny when unsure: who was revoked meanwhile cannot be told from who was not.
    if (this.#awaySinceMs !== undefined && this.#pacing.nowMs() - this.#awaySinceMs > this.#maxAgeMs) return true;
    const { spiffeIds, serials, authorityIds, trustDomain } = this.#state.value ?? NOTHING;
    if (spiffeIds.has(id)) return true;
    if (trustDomainOf(id) !== trustDomain) return false;
    return path.some((certificate) => serials.has(certificate.serial) || authorityIds.has(authorityIdOf(certificate)));
  }

  onChange(listener: () => void): () => void {
    return this.#state.onChange(listener);
  }

  /** Resolves once it is known what is revoked, or that the agent does not say. Rejects with a GrpcError when the signal aborts. */
  ready(signal: AbortSignal): Promise<void> {
    return this.#state.ready(signal);
  }

  /** Follows no more. The client stays open. */
  close(): void {
    this.#state.end();
  }
}

const authorityIdOf = ({ subjectKeyIdentifier }: X509Certificate): string => Buffer.from(subjectKeyIdentifier ?? []).toString("hex");

const HEXADECIMAL = /^[0-9a-f]{1,64}$/;

/** The message holds everything: what is not in it is not revoked. UNTRUSTED: one that cannot be read counts for nothing. */
function readRevocations({ spiffeIds, serials, authorityIds, trustDomain }: RevocationsMessage): Result<Revoked, SpiffeError> {
  const domain = parseTrustDomain(trustDomain);
  if (!domain.ok) return domain;
  const unreadable = serials.find((serial) => !HEXADECIMAL.test(serial));
  if (unreadable !== undefined) return refuse("workload-api-mandatory", "a revoked serial number is not hexadecimal");
  return ok({
    spiffeIds: new Set(spiffeIds),
    serials: new Set(serials.map((serial) => BigInt(`0x${serial}`))),
    authorityIds: new Set(authorityIds),
    trustDomain: domain.value,
  });
}
