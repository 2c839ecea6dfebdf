/**
 * A SPIRE server as the authority above ours, or another Vigil that speaks as one: it issues our certificates (`NewDownstreamX509CA`), our JWT
 * keys are published there, and its bundle is ours. We show it an X.509-SVID of the same trust domain that an agent of the Workload API
 * gives this process; it must be registered there as downstream.
 */
import { GrpcChannel } from "../../grpc/channel.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { messageOf, VigilError } from "../../lib/error.ts";
import type { ServiceIdentity } from "../../service/service-identity.ts";
import { openWorkloadIdentity } from "../../service/workload-identity.ts";
import { type SpiffeId, spiffeIdOf, type TrustDomain } from "../../spiffe/spiffe-id.ts";
import { parseX509Certificate } from "../../spiffe/x509-certificate.ts";
import { Bundle as BundleApi } from "../generated/spire/api/server/bundle/v1/bundle_pb.ts";
import { SVID as SvidApi } from "../generated/spire/api/server/svid/v1/svid_pb.ts";
import type { Bundle } from "../generated/spire/api/trust_bundle_pb.ts";
import { authorityError } from "./authority-error.ts";
import { readSubjectKey } from "./certification-request.ts";
import type { ForeignTokenKey, UpstreamTrust } from "./foreign-trust.ts";
import type { UpstreamAuthority, UpstreamCertificate, UpstreamRequest } from "./upstream-authority.ts";

export interface SpireUpstreamOptions {
  readonly host: string;
  readonly port: number;
  readonly trustDomain: TrustDomain;
  /** Of the Workload API: `unix:///run/spire/agent.sock`. */
  readonly workloadApi: string;
  /** How long to wait for an SVID of the agent's, and for an answer of the server's; 10 s unless given. */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_TTL_SECONDS = 2 ** 31 - 1;
/** In a bundle of somebody else, however much we trust him. */
const MAX_ROOTS = 256;
const MAX_KEYS = 1_024;
const MAX_KEY_ID_CHARACTERS = 512;

/** Who serves in a SPIRE trust domain: clients accept nobody else. */
export function spireServerId(trustDomain: TrustDomain): SpiffeId {
  const id = spiffeIdOf(trustDomain, ["spire", "server"]);
  if (id.ok) return id.value;
  throw id.error;
}

export class SpireUpstream implements UpstreamAuthority {
  readonly name: string;
  readonly #options: SpireUpstreamOptions;
  readonly #timeoutMs: number;
  readonly #serverId: SpiffeId;
  #identity: Promise<ServiceIdentity> | undefined;
  #channel: GrpcChannel | undefined;

  constructor(options: SpireUpstreamOptions) {
    this.name = `SPIRE server ${options.host}:${options.port}`;
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#serverId = spireServerId(options.trustDomain);
  }

  issue({ csr, notBeforeMs, notAfterMs }: UpstreamRequest): Promise<UpstreamCertificate> {
    return this.#ask("issue a certificate", async (channel) => {
      const preferredTtl = Math.min(MAX_TTL_SECONDS, Math.ceil((notAfterMs - notBeforeMs) / 1000));
      const answer = await channel.unary(SvidApi.method.newDownstreamX509CA, { csr, preferredTtl }, { timeoutMs: this.#timeoutMs });
      const [certificate, ...intermediates] = answer.caCertChain;
      if (certificate === undefined || answer.x509Authorities.length === 0) throw new Error("its answer has no certificate or no roots");
      return { certificate, intermediates, roots: answer.x509Authorities };
    });
  }

  trust(): Promise<UpstreamTrust> {
    return this.#ask("tell what is trusted", async (channel) =>
      trustOf(await channel.unary(BundleApi.method.getBundle, {}, { timeoutMs: this.#timeoutMs }), this.#options.trustDomain),
    );
  }

  publishJwtKey({ keyId, publicKeyInfo, expiresAtMs }: ForeignTokenKey): Promise<void> {
    return this.#ask("publish a JWT key", async (channel) => {
      const jwtAuthority = { keyId, publicKey: publicKeyInfo, expiresAt: BigInt(Math.floor(expiresAtMs / 1000)) };
      await channel.unary(BundleApi.method.publishJWTAuthority, { jwtAuthority }, { timeoutMs: this.#timeoutMs });
    });
  }

  async close(): Promise<void> {
    await this.#channel?.close({ cut: true });
    const identity = await this.#identity?.catch(() => undefined);
    identity?.close();
  }

  async #ask<T>(what: string, work: (channel: GrpcChannel) => Promise<T>): Promise<T> {
    try {
      const identity = await this.#open();
      this.#channel ??= this.#connect(identity);
      return await work(this.#channel);
    } catch (thrown) {
      throw authorityError("AUTHORITY_UPSTREAM", `the upstream authority (${this.name}) does not ${what}: ${messageOf(thrown)}`, {
        hint: hintOf(thrown, this.#options.workloadApi),
        cause: thrown,
      });
    }
  }

  #open(): Promise<ServiceIdentity> {
    this.#identity ??= openWorkloadIdentity({ address: this.#options.workloadApi, timeoutMs: this.#timeoutMs }).catch((thrown: unknown) => {
      this.#identity = undefined; // The agent may come later.
      throw thrown;
    });
    return this.#identity;
  }

  #connect(identity: ServiceIdentity): GrpcChannel {
    const { host, port } = this.#options;
    const channel: GrpcChannel = new GrpcChannel({
      address: {
        kind: "socket",
        authority: `${host}:${port}`,
        isTls: true,
        connect: async () => {
          const connection = await identity.connect({ host, port, alpnProtocols: ["h2"] }, ({ id }) => id === this.#serverId);
          connection.onDrain(() => {
            if (this.#channel === channel) this.#channel = undefined;
            void channel.close();
          });
          return connection.socket;
        },
      },
    });
    return channel;
  }
}

/** What the server trusts, without what cannot be read. UNTRUSTED. */
function trustOf({ trustDomain, x509Authorities, jwtAuthorities }: Bundle, own: TrustDomain): UpstreamTrust {
  if (trustDomain !== own) throw new Error(`it serves the trust domain \`${trustDomain.slice(0, MAX_KEY_ID_CHARACTERS)}\`, not \`${own}\``);
  if (x509Authorities.length > MAX_ROOTS || jwtAuthorities.length > MAX_KEYS) throw new Error("its bundle is too large");
  const roots: Uint8Array[] = [];
  const taintedIds: string[] = [];
  for (const { asn1, tainted } of x509Authorities) {
    const certificate = parseX509Certificate(asn1);
    if (!certificate.ok) throw new Error(`an authority in its bundle cannot be read: ${certificate.error.message}`);
    roots.push(asn1);
    if (tainted) taintedIds.push(Buffer.from(certificate.value.subjectKeyIdentifier ?? []).toString("hex"));
  }
  // A bundle without roots would end all trust at once: that is no state of a server that answers.
  if (roots.length === 0) throw new Error("its bundle has no X.509 authorities");
  const jwtKeys = jwtAuthorities
    .filter(({ keyId, publicKey }) => keyId !== "" && keyId.length <= MAX_KEY_ID_CHARACTERS && readSubjectKey(publicKey).ok)
    .map(({ keyId, publicKey, expiresAt }) => ({ keyId, publicKeyInfo: publicKey, expiresAtMs: Number(expiresAt) * 1000 }));
  return { roots, taintedIds, jwtKeys };
}

function hintOf(thrown: unknown, workloadApi: string): string {
  if (thrown instanceof VigilError && thrown.code === "SERVICE_NO_IDENTITY")
    return `\`identity.upstreamSocket\` (${workloadApi}) must give this process an SVID of the trust domain`;
  if (thrown instanceof GrpcError && (thrown.status === "PERMISSION_DENIED" || thrown.status === "INTERNAL"))
    return "register this process there as downstream: `spire-server entry create -downstream …`";
  return "check `identity.upstreamServer`, and that the server runs; it is tried again";
}
