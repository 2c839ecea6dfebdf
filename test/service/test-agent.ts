/** An agent of the Workload API on a socket, whose one workload holds what the test says. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { CallContext } from "../../src/grpc/call-context.ts";
import { GrpcError } from "../../src/grpc/grpc-error.ts";
import { GrpcServer } from "../../src/grpc/server.ts";
import { implementService } from "../../src/grpc/service.ts";
import { Agent } from "../../src/service/generated/vigil/agent/v1/agent_pb.ts";
import type { TrustBundle } from "../../src/spiffe/bundle.ts";
import { SpiffeWorkloadAPI } from "../../src/spiffe/generated/spiffe/workload_pb.ts";
import { signJwtSvid } from "../../src/spiffe/jwt-svid.ts";
import { idOfTrustDomain, trustDomainOf } from "../../src/spiffe/spiffe-id.ts";
import type { X509Svid } from "../../src/spiffe/x509-svid.ts";
import { newSigner } from "../spiffe/trust-fixture.ts";

interface Held {
  readonly svids: readonly X509Svid[];
  readonly bundles: readonly TrustBundle[];
}

interface RevokedNames {
  readonly spiffeIds?: readonly string[];
  readonly serials?: readonly string[];
  readonly authorityIds?: readonly string[];
}

const concatenated = (certificates: readonly { readonly der: Uint8Array }[]): Uint8Array =>
  Buffer.concat(certificates.map(({ der }) => der));
const byId = (bundles: readonly TrustBundle[]): Record<string, Uint8Array> =>
  Object.fromEntries(bundles.map(({ trustDomain, x509Authorities }) => [idOfTrustDomain(trustDomain), concatenated(x509Authorities)]));

export class TestAgent {
  readonly #server: GrpcServer;
  readonly #signer = newSigner("jwt-1");
  readonly #wakers = new Set<() => void>();
  #held: Held;
  /** Life of the tokens that it gives. */
  tokenMs = 300_000;
  tokens = 0;
  #revocations: RevokedNames | undefined;

  constructor(held: Held) {
    this.#held = held;
    this.#server = new GrpcServer({
      services: [
        implementService(SpiffeWorkloadAPI, {
          fetchX509SVID: (_, context) => this.#states(context, () => this.#x509Message()),
          fetchJWTSVID: ({ audience }) => {
            const [svid] = this.#held.svids;
            if (svid === undefined) throw new GrpcError("PERMISSION_DENIED", "no identity");
            this.tokens++;
            const nowMs = Date.now();
            const content = { id: svid.id, audience, issuedAtMs: nowMs, expiresAtMs: nowMs + this.tokenMs };
            return { svids: [{ spiffeId: svid.id, svid: signJwtSvid(content, this.#signer), hint: "" }] };
          },
        }),
        implementService(Agent, {
          watchRevocations: (_, context) => {
            if (this.#revocations === undefined) throw new GrpcError("UNIMPLEMENTED", "no agent of Vigil");
            return this.#states(context, () => ({ trustDomain: "a.test", ...this.#revocations }));
          },
        }),
      ],
    });
  }

  #x509Message(): object {
    const { svids, bundles } = this.#held;
    if (svids.length === 0) throw new GrpcError("PERMISSION_DENIED", "no identity");
    return {
      svids: svids.map(({ id, certificates, privateKey, hint }) => ({
        spiffeId: id,
        x509Svid: concatenated(certificates),
        x509SvidKey: privateKey.export({ type: "pkcs8", format: "der" }),
        bundle: concatenated(bundles.find(({ trustDomain }) => trustDomain === trustDomainOf(id))?.x509Authorities ?? []),
        hint,
      })),
      federatedBundles: byId(bundles.filter(({ trustDomain }) => !svids.some(({ id }) => trustDomainOf(id) === trustDomain))),
    };
  }

  /** From then on it is Vigil's agent: before, it serves the Workload API alone. */
  revoke(revocations: RevokedNames): void {
    this.#revocations = revocations;
    this.set({});
  }

  async *#states({ signal }: CallContext, message: () => object): AsyncGenerator<object> {
    while (!signal.aborted) {
      const changed = new Promise<void>((resolve) => {
        this.#wakers.add(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      yield message();
      await changed;
    }
  }

  set(held: Partial<Held>): void {
    this.#held = { ...this.#held, ...held };
    for (const wake of this.#wakers) wake();
    this.#wakers.clear();
  }

  /** Ends, as when it is killed. */
  async end(): Promise<void> {
    await this.#server.close(0);
  }

  /** The address of its socket, until the test ends. */
  async listen(): Promise<string> {
    const folder = mkdtempSync(join(tmpdir(), "vigil-agent-"));
    const path = join(folder, "agent.sock");
    await this.#server.listen({ kind: "unix", path });
    onTestFinished(async () => {
      await this.#server.close(0);
      rmSync(folder, { recursive: true, force: true });
    });
    return `unix://${path}`;
  }
}
