/** The agent's own identity: attested when there is none, renewed before it ends, kept over restarts, and attested again when it was lost. */
import { generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { messageOf } from "../../lib/error.ts";
import { IdentityStore } from "../../service/identity-store.ts";
import { parseTrustBundle, type TrustBundle } from "../../spiffe/bundle.ts";
import type { SpiffeId, TrustDomain } from "../../spiffe/spiffe-id.ts";
import { parseX509Svid, verifyX509Svid, type X509Svid } from "../../spiffe/x509-svid.ts";
import type { Bundles, X509Svid as SignedX509 } from "../generated/vigil/authority/v1/authority_pb.ts";
import { type AgentCredential, loadCredential, saveCredential } from "./agent-credential.ts";
import { type AuthorityPlace, attestNode } from "./attest-node.ts";
import { type EvidencePaths, readFirstBundle, readNodeEvidence } from "./node-evidence.ts";
import { pauseMs, reconnectBackOff, renewalTimeMs } from "./renewal.ts";

export interface AgentIdentityOptions {
  readonly trustDomain: TrustDomain;
  readonly place: AuthorityPlace;
  readonly evidence: EvidencePaths;
  /** What the authority is verified with before it has said anything, and again when the file changes. */
  readonly firstBundlePath: string;
  /** Where SVID, key and bundle are kept, in a directory of their own. */
  readonly keptPath: string;
  readonly onNews: (news: AgentIdentityNews) => void;
  readonly clock: () => number;
  readonly random: () => number;
}

export type AgentIdentityNews =
  | { readonly kind: "attested" | "renewed"; readonly agentId: SpiffeId; readonly expiresAtMs: number }
  | { readonly kind: "problem"; readonly message: string };

/** The wall clock is looked at so often: a machine that slept must not sleep on. */
const MAX_TIMER_MS = 10_000;

const generate = promisify(generateKeyPair);

export class AgentIdentity {
  /** What connections to the authority are made with. */
  readonly store: IdentityStore = new IdentityStore();
  readonly #options: AgentIdentityOptions;
  #credential: AgentCredential | undefined;
  #bundle: TrustBundle | undefined;
  #firstDigest = "";
  #renewAtMs = Number.POSITIVE_INFINITY;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #attesting: Promise<void> | undefined;
  #saving: Promise<void> = Promise.resolve();
  /** The authority does not accept the SVID though it is valid. */
  #isRefused = false;
  #renew: ((publicKeyInfo: Uint8Array) => Promise<SignedX509 | undefined>) | undefined;

  private constructor(options: AgentIdentityOptions) {
    this.#options = options;
  }

  /** With what was kept, as far as it can be read. */
  static async open(options: AgentIdentityOptions): Promise<AgentIdentity> {
    const identity = new AgentIdentity(options);
    try {
      const kept = await loadCredential(options.keptPath, options.trustDomain);
      if (kept !== undefined) {
        identity.#firstDigest = kept.firstDigest;
        identity.#take(kept.credential, kept.bundle);
      }
    } catch (thrown) {
      options.onNews({ kind: "problem", message: `the agent's kept identity cannot be read: ${messageOf(thrown)}; it attests anew` });
    }
    return identity;
  }

  /** Begins to renew, by `renew`, which is called with a new public key. */
  keepRenewed(renew: (publicKeyInfo: Uint8Array) => Promise<SignedX509 | undefined>): void {
    this.#renew = renew;
    this.#schedule();
  }

  /** Resolves once there is a valid SVID. Rejects with a GrpcError that says why there is none. */
  async ready(): Promise<void> {
    if (this.#isValid() && !this.#isRefused) return;
    this.#attesting ??= this.#attest().finally(() => {
      this.#attesting = undefined;
    });
    return this.#attesting;
  }

  /** The authority did not accept the SVID: the next attempt attests anew, where that is possible. */
  refuse(): void {
    this.#isRefused = true;
  }

  /** What the authority says about trust: taken over at once, and the SVID renewed when who signed it is tainted. */
  follow({ documents, taintedAuthorityIds }: Bundles): void {
    const document = documents[this.#options.trustDomain];
    const bundle = document === undefined ? undefined : parseTrustBundle(document, this.#options.trustDomain);
    if (bundle?.ok !== true) {
      const why = bundle === undefined ? "it is missing" : bundle.error.message;
      this.#options.onNews({ kind: "problem", message: `the bundle of the agent's own trust domain is left as it was: ${why}` });
      return;
    }
    this.#take(this.#credential, bundle.value);
    this.#save();
    if (this.#credential !== undefined && taintedAuthorityIds.includes(this.#credential.authorityId)) this.#renewAtMs = 0;
    this.#schedule();
  }

  /** Resolves when what is to be kept is written. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#renew = undefined;
    await this.#saving;
  }

  #isValid(): boolean {
    return this.#credential !== undefined && this.#credential.svid.certificates[0].notAfterMs > this.#options.clock();
  }

  async #attest(): Promise<void> {
    const { place, evidence: paths, clock, onNews } = this.#options;
    try {
      await this.readFirstBundle();
      const evidence = await readNodeEvidence(paths);
      const { publicKeyInfo, privateKey } = await newKey();
      const { svid, bundles } = await attestNode({ place, bundles: this.store, evidence, publicKeyInfo, nowMs: clock });
      if (svid === undefined) throw new GrpcError("INTERNAL", "the authority attested the node without an SVID");
      this.#adopt(svid, privateKey);
      if (bundles !== undefined) this.follow(bundles);
      this.#save();
      onNews({ kind: "attested", ...this.#facts() });
    } catch (thrown) {
      // What the agent still has may be accepted the next time.
      this.#isRefused = false;
      throw thrown instanceof GrpcError ? thrown : new GrpcError("FAILED_PRECONDITION", messageOf(thrown), { cause: thrown });
    }
  }

  /**
   * Before each connection: the file is the operator's word; what the authority said later counts more, until there is another file.
   * Rejects with `AGENT_BUNDLE` when there is no bundle at all.
   */
  async readFirstBundle(): Promise<void> {
    const { firstBundlePath, trustDomain } = this.#options;
    try {
      const { bundle, digest } = await readFirstBundle(firstBundlePath, trustDomain);
      if (digest === this.#firstDigest && this.#bundle !== undefined) return;
      this.#firstDigest = digest;
      this.#take(this.#credential, bundle);
    } catch (thrown) {
      if (this.#bundle === undefined) throw thrown;
    }
  }

  /** Throws a GrpcError when the authority signed something else than the agent's identity. */
  #adopt({ certificates, authorityId, renewAtMs }: SignedX509, privateKey: KeyObject): void {
    const svid = parseX509Svid(Buffer.concat(certificates), privateKey.export({ type: "pkcs8", format: "der" }));
    const verified = svid.ok ? verifyX509Svid(certificates, this.store, { nowMs: this.#options.clock() }) : svid;
    if (!svid.ok || !verified.ok)
      throw new GrpcError("INTERNAL", `the authority signed a wrong SVID for the agent: ${verified.ok ? "" : verified.error.message}`);
    this.#isRefused = false;
    this.#failures = 0;
    this.#take({ svid: svid.value, authorityId, renewAtMs: Number(renewAtMs) }, this.#bundle);
    this.#renewAtMs = this.#dueMs(svid.value);
    this.#schedule();
  }

  #take(credential: AgentCredential | undefined, bundle: TrustBundle | undefined): void {
    const isNew = credential !== this.#credential;
    this.#credential = credential;
    this.#bundle = bundle;
    if (isNew && credential !== undefined) this.#renewAtMs = this.#dueMs(credential.svid);
    this.store.set({ svid: credential?.svid, bundles: new Map(bundle === undefined ? [] : [[bundle.trustDomain, bundle]]) });
  }

  #dueMs({ certificates: [leaf] }: X509Svid): number {
    const wishedMs = this.#credential?.renewAtMs ?? 0;
    return renewalTimeMs(leaf, this.#options.random(), wishedMs === 0 ? undefined : wishedMs);
  }

  #facts(): { readonly agentId: SpiffeId; readonly expiresAtMs: number } {
    if (this.#credential === undefined) throw new TypeError("there is no SVID");
    const { id, certificates } = this.#credential.svid;
    return { agentId: id, expiresAtMs: certificates[0].notAfterMs };
  }

  /** One after the other: the last state is what stays. */
  #save(): void {
    const { keptPath, onNews } = this.#options;
    this.#saving = this.#saving.then(async () => {
      if (this.#bundle === undefined) return;
      const kept = { credential: this.#credential, bundle: this.#bundle, firstDigest: this.#firstDigest };
      await saveCredential(keptPath, kept).catch((thrown: unknown) =>
        onNews({ kind: "problem", message: `the agent's identity cannot be kept in \`${keptPath}\`: ${messageOf(thrown)}` }),
      );
    });
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#renew === undefined || this.#credential === undefined) return;
    const waitMs = Math.min(MAX_TIMER_MS, Math.max(0, this.#renewAtMs - this.#options.clock()));
    this.#timer = setTimeout(() => void this.#tick(), waitMs).unref();
  }

  async #tick(): Promise<void> {
    const { clock, random, onNews } = this.#options;
    if (clock() >= this.#renewAtMs && this.#isValid() && this.#renew !== undefined) {
      try {
        const { publicKeyInfo, privateKey } = await newKey();
        const signed = await this.#renew(publicKeyInfo);
        if (signed === undefined) throw new GrpcError("INTERNAL", "the authority answered without an SVID");
        this.#adopt(signed, privateKey);
        this.#save();
        onNews({ kind: "renewed", ...this.#facts() });
      } catch (thrown) {
        this.#failures++;
        const [leaf] = this.#credential?.svid.certificates ?? [];
        const ttlMs = leaf && leaf.notAfterMs - leaf.notBeforeMs;
        this.#renewAtMs = clock() + pauseMs(this.#failures, random(), reconnectBackOff(ttlMs));
        if (this.#failures === 1) onNews({ kind: "problem", message: `the agent's identity is not renewed yet: ${messageOf(thrown)}` });
      }
    }
    this.#schedule();
  }
}

async function newKey(): Promise<{ readonly publicKeyInfo: Uint8Array; readonly privateKey: KeyObject }> {
  const { publicKey, privateKey } = await generate("ec", { namedCurve: "P-256" });
  return { publicKeyInfo: publicKey.export({ type: "spki", format: "der" }), privateKey };
}
