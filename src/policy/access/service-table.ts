/** Who is behind the Services that policies of Cilium name, by the objects that are among the policies. */
import type { AccessResource } from "../../resource/access-resource.ts";
import type { CiliumPeer } from "../../resource/cilium-network-policy.ts";
import { NAMESPACE_LABEL } from "../../resource/cilium-selector.ts";
import type { KubernetesService, ServiceEndpoints } from "../../resource/kubernetes-service.ts";
import { selects } from "../label-match.ts";
import type { PeerMatch } from "./peer-match.ts";

type Named = Extract<CiliumPeer, { kind: "service" | "services" }>;

/** What is not known is nobody. */
export class ServiceTable {
  readonly #services: readonly KubernetesService[];
  readonly #endpoints: readonly ServiceEndpoints[];

  constructor(resources: readonly AccessResource[]) {
    this.#services = resources.flatMap((resource) => (resource.kind === "Service" ? [resource] : []));
    this.#endpoints = resources.flatMap((resource) =>
      resource.kind === "Endpoints" || resource.kind === "EndpointSlice" ? [resource] : [],
    );
  }

  /** Whoever is behind a Service; `own` is the namespace of the policy that names it, undefined for any. */
  behind(peer: Named, own: string | undefined): readonly PeerMatch[] {
    const namespace = peer.namespace ?? own;
    const isMeant = ({ metadata }: KubernetesService): boolean =>
      (namespace === undefined || namespaceOf(metadata) === namespace) &&
      (peer.kind === "service" ? metadata.name === peer.name : selects(peer.selector, metadata.labels));
    return this.#services.filter(isMeant).flatMap((service) => this.#matchesOf(service));
  }

  /** The endpoints of the Service `kubernetes`, whoever has these addresses. */
  apiServer(): readonly PeerMatch[] {
    return this.#addressesOf("default", "kubernetes", "all");
  }

  #matchesOf({ metadata, selector }: KubernetesService): readonly PeerMatch[] {
    const namespace = namespaceOf(metadata);
    if (selector === undefined) return this.#addressesOf(namespace, metadata.name, "external");
    return [{ kind: "security-labels", selector: { matchLabels: { ...selector, [NAMESPACE_LABEL]: namespace }, matchExpressions: [] } }];
  }

  #addressesOf(namespace: string, service: string, scope: "all" | "external"): readonly PeerMatch[] {
    return this.#endpoints
      .filter((endpoints) => endpoints.service === service && namespaceOf(endpoints.metadata) === namespace)
      .flatMap(({ addresses }) => addresses)
      .map((address): PeerMatch => ({ kind: "network", prefix: { address, bits: address.length * 8 }, except: [], scope }));
  }
}

const namespaceOf = ({ namespace }: { readonly namespace: string }): string => namespace || "default";
