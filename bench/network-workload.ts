/** The workload of the network sections: services of a shop with labels, and policies between them as somebody would write them. */
import { type AccessSet, compileAccessSet } from "../src/policy/access/access-set.ts";
import { type Endpoint, endpoint } from "../src/policy/access/endpoint.ts";
import { type AccessResource, parseAccessResource } from "../src/resource/access-resource.ts";
import { readDocuments } from "../src/resource/document.ts";

export const TEAMS = 97;

export const serviceOf = (index: number): Endpoint =>
  endpoint("workload", {
    name: `svc${index}`,
    namespace: "shop",
    labels: { app: `svc${index}`, team: `t${index % TEAMS}` },
    spiffeId: `spiffe://shop.test/svc${index}`,
    trustDomain: "shop.test",
  });

/** A team's services may call a service on a port. */
export const policyText = (index: number, services: number, port: number = 8000 + (index % 50)): string => `apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: p${index}, namespace: shop }
spec:
  from: [{ labels: { team: t${(index * 31) % TEAMS} } }]
  to: [{ workload: svc${index % services} }]
  ports: [${port}]
`;

/** One service may call another one on every port. */
export const callText = (name: string, from: number, to: number): string => `apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: ${name}, namespace: shop }
spec:
  from: [{ workload: svc${from} }]
  to: [{ workload: svc${to} }]
`;

export function resourcesOf(text: string): readonly AccessResource[] {
  return readDocuments(text, "policies.yaml").documents.map((document) => {
    const parsed = parseAccessResource(document);
    if (parsed.kind !== "access") throw new Error(`no access policy: ${JSON.stringify(parsed)}`);
    return parsed.resource;
  });
}

export function setOf(resources: readonly AccessResource[]): AccessSet {
  const { set, diagnostics } = compileAccessSet(resources);
  if (diagnostics.length > 0) throw new Error(`does not compile: ${JSON.stringify(diagnostics)}`);
  return set;
}

/** In 10.64.0.0/10. */
export const addressOf = (index: number): Uint8Array => Uint8Array.of(10, 64 + (index >> 16), (index >> 8) & 255, index & 255);
