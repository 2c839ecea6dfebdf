/** What the agent says is no longer to be trusted, though it is signed and not expired. Agents other than Vigil's say nothing. */
import type { Pacing } from "../grpc/back-off.ts";
import { GrpcChannel } from "../grpc/channel.ts";
import { Agent, type Revocations } from "../identity/generated/vigil/agent/v1/agent_pb.ts";
import { ok } from "../lib/result.ts";
import type { RevocationSource } from "../spiffe/bundle-source.ts";
import type { EndpointAddress } from "../spiffe/endpoint-address.ts";
import { trustDomainOf } from "../spiffe/spiffe-id.ts";
import type { WorkloadApiProblem } from "../spiffe/workload-api/client.ts";
import { follow } from "../spiffe/workload-api/subscription.ts";
import type { VerifiedX509Svid } from "../spiffe/x509-svid.ts";

const SECURITY_HEADER = { "workload.spiffe.io": "true" } as const;
/** A deny list of a hundred thousand identities fits. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

interface Revoked {
  readonly ids: ReadonlySet<string>;
  /** Of the trust domain, as are the authorities. */
  readonly serials: ReadonlySet<bigint>;
  /** Subject key identifiers in hexadecimal. */
  readonly authorities: ReadonlySet<string>;
  readonly trustDomain: string;
}

export interface AgentRevocationsOptions {
  readonly address: EndpointAddress;
  readonly pacing: Pacing;
  readonly onProblem: (problem: WorkloadApiProblem) => void;
}

export class AgentRevocations implements RevocationSource {
  readonly #channel: GrpcChannel;
  readonly #ending = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #answered = Promise.withResolvers<void>();
  #revoked: Revoked = { ids: new Set(), serials: new Set(), authorities: new Set(), trustDomain: "" };

  constructor({ address, pacing, onProblem }: AgentRevocationsOptions) {
    this.#channel = new GrpcChannel({ address, metadata: SECURITY_HEADER, maxMessageBytes: MAX_MESSAGE_BYTES });
    void follow({
      open: (signal) => this.#channel.serverStreaming(Agent.method.watchRevocations, {}, { signal }),
      read: (message) => ok(readRevocations(message)),
      onUpdate: (revoked) => this.#set(revoked),
      // What was revoked stays revoked until the agent says otherwise.
      onRedaction: () => {},
      onProblem: (problem, isFinal) => {
        this.#answered.resolve();
        // An agent without this call is none of Vigil's.
        if (!isFinal) onProblem(problem);
      },
      pacing,
      signal: this.#ending.signal,
    });
  }

  #set(revoked: Revoked): void {
    this.#revoked = revoked;
    this.#answered.resolve();
    for (const listener of [...this.#listeners]) listener();
  }

  /** Resolves when the agent has answered for the first time, whatever it said. Rejects when the signal aborts before. */
  async answered(signal: AbortSignal): Promise<void> {
    const late = Promise.withResolvers<never>();
    const onAbort = (): void => late.reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    try {
      await Promise.race([this.#answered.promise, late.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  isRevoked({ id, path: [leaf, ...authorities] }: VerifiedX509Svid): boolean {
    const revoked = this.#revoked;
    if (revoked.ids.has(id)) return true;
    if (trustDomainOf(id) !== revoked.trustDomain) return false;
    if (leaf !== undefined && revoked.serials.has(leaf.serial)) return true;
    return authorities.some(
      ({ subjectKeyIdentifier: key }) => key !== undefined && revoked.authorities.has(Buffer.from(key).toString("hex")),
    );
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#ending.abort();
    void this.#channel.close({ cut: true });
  }
}

const readRevocations = ({ spiffeIds, serials, authorityIds, trustDomain }: Revocations): Revoked => ({
  ids: new Set(spiffeIds),
  // A text that is no number can be the serial of no certificate.
  serials: new Set(serials.filter((serial) => /^[0-9a-f]{1,64}$/.test(serial)).map((serial) => BigInt(`0x${serial}`))),
  authorities: new Set(authorityIds),
  trustDomain,
});
