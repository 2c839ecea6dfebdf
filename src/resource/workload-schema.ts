/** The schema of `Workload.spec`. A test holds it equal to what `workload.ts` reads. */
import type { Schema } from "./schema.ts";

const texts = (description: string): Schema => ({ type: "array", items: { type: "string" }, description });
const duration = (description: string): Schema => ({ type: "string", format: "duration", description });

export const WORKLOAD_SCHEMA: Schema = {
  type: "object",
  description: "Who the workload is, and how it is known",
  required: ["selectors"],
  properties: new Map<string, Schema>([
    ["selectors", texts("What attestation must find, all of them: `unix:uid:1000`, `unix:path:/usr/bin/web`, `k8s:sa:web`")],
    ["id", { type: "string", description: "Its SPIFFE ID; by default the trust domain's `idTemplate` names it" }],
    [
      "class",
      {
        type: "string",
        enum: ["service", "gateway", "data", "legacy"],
        default: "service",
        description: "How long its certificates may live: service 15m (at most 1h), gateway 24h, data 72h, legacy 168h",
      },
    ],
    ["x509Ttl", duration("Lifetime of its certificates; by default that of its class")],
    ["jwtTtl", duration("Lifetime of its tokens, at most 1h; by default 5m")],
    ["rotateAfter", duration("Age at which its certificates are renewed; by default half of their lifetime, or less by its class")],
    ["dnsNames", texts("DNS names in its certificates")],
    ["ipAddresses", texts("IP addresses in its certificates")],
    ["federatesWith", texts("Trust domains whose bundles it gets besides its own")],
    ["hint", { type: "string", description: "For the workload to choose by, when it has several identities" }],
    ["admin", { type: "boolean", default: false, description: "Whether it may administer the authority" }],
    ["downstream", { type: "boolean", default: false, description: "Whether it is an authority below this one" }],
    [
      "brokerFor",
      texts(
        "Identities that it may fetch for other processes, as a node's proxy does: SPIFFE IDs, or their beginnings with `*` at the end",
      ),
    ],
    ["agents", texts("Agents that may serve it: SPIFFE IDs, or their beginnings with `*` at the end; by default all")],
  ]),
};
