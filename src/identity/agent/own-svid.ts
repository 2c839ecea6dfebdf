/** An SVID of the agent itself, for those who connect to it: made when the authority is there, renewed like a workload's, kept in memory alone. */
import { generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { messageOf } from "../../lib/error.ts";
import type { TrustBundle } from "../../spiffe/bundle.ts";
import type { BundleSource, ChangeNotice, X509Source } from "../../spiffe/bundle-source.ts";
import type { TrustDomain } from "../../spiffe/spiffe-id.ts";
import { parseX509Svid, verifyX509Svid, type X509Svid } from "../../spiffe/x509-svid.ts";
import type { Agent } from "./agent.ts";
import type { AuthorityClient } from "./authority-client.ts";
import { pauseMs, reconnectBackOff, renewalTimeMs } from "./renewal.ts";

export interface OwnSvidOptions {
  readonly agent: Agent;
  readonly client: Pick<AuthorityClient, "renewAgentSvid">;
  /** Why there is none, or no newer one: once until it works again. Must not throw. */
  readonly onProblem: (message: string) => void;
  /** 0 ≤ x < 1; Math.random unless given. */
  readonly random?: () => number;
}

/** The wall clock is looked at so often: a machine that slept must not sleep on. */
const MAX_TIMER_MS = 10_000;

const generate = promisify(generateKeyPair);

interface Held {
  readonly svid: X509Svid;
  readonly authorityId: string;
}

export class OwnSvid implements X509Source, BundleSource, ChangeNotice {
  readonly #options: OwnSvidOptions;
  readonly #random: () => number;
  readonly #listeners = new Set<() => void>();
  readonly #end: () => void;
  #held: Held | undefined;
  #dueMs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #underWay: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: OwnSvidOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#end = options.agent.onChange(() => {
      const isTainted = this.#held !== undefined && options.agent.state.tainted.has(this.#held.authorityId);
      if (isTainted || this.#held === undefined) this.#dueMs = Number.NEGATIVE_INFINITY;
      this.#tell();
      this.#schedule();
    });
    this.#schedule();
  }

  x509Svid(): X509Svid | undefined {
    return this.#held?.svid;
  }

  bundleOf(domain: TrustDomain): TrustBundle | undefined {
    return this.#options.agent.state.bundleOf(domain);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#end();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const { agent } = this.#options;
    // Until the authority has said what is trusted, nothing that it signs could be verified.
    if (this.#isClosed || agent.state.trustDomain === undefined) return;
    const waitMs = Math.min(MAX_TIMER_MS, Math.max(0, this.#dueMs - agent.clock()));
    this.#timer = setTimeout(() => {
      this.#underWay ??= this.#tick().finally(() => {
        this.#underWay = undefined;
        this.#schedule();
      });
    }, waitMs).unref();
  }

  async #tick(): Promise<void> {
    const { agent, onProblem } = this.#options;
    if (agent.clock() < this.#dueMs) return;
    try {
      this.#held = await this.#renew();
      this.#failures = 0;
      this.#dueMs = renewalTimeMs(this.#held.svid.certificates[0], this.#random());
      this.#tell();
    } catch (thrown) {
      this.#failures++;
      const leaf = this.#held?.svid.certificates[0];
      const backOff = reconnectBackOff(leaf && leaf.notAfterMs - leaf.notBeforeMs);
      this.#dueMs = agent.clock() + pauseMs(this.#failures, this.#random(), backOff);
      if (this.#failures === 1) onProblem(`the agent has no newer SVID of its own: ${messageOf(thrown)}`);
    }
  }

  async #renew(): Promise<Held> {
    const { agent, client } = this.#options;
    const { publicKey, privateKey } = await generate("ec", { namedCurve: "P-256" });
    const signed = await client.renewAgentSvid(publicKey.export({ type: "spki", format: "der" }));
    if (signed === undefined) throw new GrpcError("INTERNAL", "the authority answered without an SVID");
    const { certificates, authorityId } = signed;
    const svid = parseX509Svid(Buffer.concat(certificates), privateKey.export({ type: "pkcs8", format: "der" }));
    if (!svid.ok) throw svid.error;
    const verified = verifyX509Svid(certificates, agent.state, { nowMs: agent.clock() });
    if (!verified.ok) throw verified.error;
    return { svid: svid.value, authorityId };
  }
}
