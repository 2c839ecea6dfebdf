/** Identity, bundles and tokens for the commands that serve other programs, from the Workload API. */
import { systemPacing } from "../../grpc/back-off.ts";
import { messageOf } from "../../lib/error.ts";
import type { TrustBundle } from "../../spiffe/bundle.ts";
import type { ChangeNotice, X509Source } from "../../spiffe/bundle-source.ts";
import { parseEndpointAddress } from "../../spiffe/endpoint-address.ts";
import { trustDomainOf } from "../../spiffe/spiffe-id.ts";
import { WorkloadApiClient, type WorkloadApiProblem } from "../../spiffe/workload-api/client.ts";
import { WorkloadJwtSource } from "../../spiffe/workload-api/jwt-source.ts";
import { WorkloadX509Source } from "../../spiffe/workload-api/x509-source.ts";
import type { Log } from "../log.ts";

export interface IdentityToken {
  /** Compact serialization. */
  readonly token: string;
  readonly expiresAtMs: number;
}

export interface IdentityFeed extends X509Source, ChangeNotice {
  /** That of the own trust domain first; empty before anything came. */
  bundles(): readonly TrustBundle[];
  /** A JWT-SVID for an audience that is not about to expire. */
  token(audience: string): Promise<IdentityToken>;
  close(): void;
}

/** Follows the agent at once. Throws a SpiffeError when the address is none. */
export function openWorkloadFeed(address: string, hint: string | undefined, log: Log): IdentityFeed {
  const endpoint = parseEndpointAddress(address);
  if (!endpoint.ok) throw endpoint.error;
  const client = new WorkloadApiClient(endpoint.value);
  const onProblem = (problem: WorkloadApiProblem): void => log("warning", messageOf(problem), { address });
  const common = { client, pacing: systemPacing, onProblem };
  const pick =
    hint === undefined ? {} : { pick: (svids: ReturnType<WorkloadX509Source["x509Svids"]>) => svids.find((svid) => svid.hint === hint) };
  const x509 = new WorkloadX509Source({ ...common, ...pick });
  const jwt = new WorkloadJwtSource(common);
  return {
    x509Svid: () => x509.x509Svid(),
    onChange: (listener) => x509.onChange(listener),
    bundles: () => {
      const svid = x509.x509Svid();
      if (svid === undefined) return [];
      const own = trustDomainOf(svid.id);
      const others = x509.trustDomains().filter((domain) => domain !== own);
      return [own, ...others].map((domain) => x509.bundleOf(domain)).filter((bundle) => bundle !== undefined);
    },
    token: async (audience) => {
      const { token, expiresAtMs } = await jwt.jwtSvid([audience], x509.x509Svid()?.id);
      return { token, expiresAtMs };
    },
    close: () => {
      x509.close();
      void client.close();
    },
  };
}
