/** Access sets and calls for tests, from the YAML that people write. */
import { expect } from "vitest";
import { parseIpAddress } from "../src/lib/ip-address.ts";
import { type AccessSet, type AccessSetOptions, compileAccessSet } from "../src/policy/access/access-set.ts";
import { type Call, type CallRequest, type Endpoint, EXTERNAL, endpoint } from "../src/policy/access/endpoint.ts";
import { type AccessResource, parseAccessResource } from "../src/resource/access-resource.ts";
import { readDocuments } from "../src/resource/document.ts";

/** The resources of a text; a mistake in it fails the test. */
export function accessResources(yaml: string, file: string = "policies.yaml"): readonly AccessResource[] {
  const { documents, diagnostics } = readDocuments(yaml, file);
  expect(diagnostics).toEqual([]);
  return documents.map((document) => {
    const parsed = parseAccessResource(document);
    if (parsed.kind !== "access") throw new Error(`${file}: ${JSON.stringify(parsed)}`);
    return parsed.resource;
  });
}

export function accessSet(yaml: string, options: AccessSetOptions = {}): AccessSet {
  const { set, diagnostics } = compileAccessSet(accessResources(yaml), options);
  expect(diagnostics).toEqual([]);
  return set;
}

export const workload = (name: string, known: Partial<Endpoint> = {}): Endpoint =>
  endpoint("workload", {
    name,
    namespace: "shop",
    labels: { app: name },
    spiffeId: `spiffe://shop.test/${name}`,
    trustDomain: "shop.test",
    ...known,
  });

const address = (text: string): Uint8Array => {
  const octets = parseIpAddress(text);
  if (octets === undefined) throw new Error(`no address: ${text}`);
  return octets;
};

export interface CallFacts extends Partial<Omit<Call, "request" | "sourceAddress" | "destinationAddress">> {
  readonly from?: string;
  readonly to?: string;
  readonly request?: Partial<CallRequest>;
}

export function call({ from = "10.0.0.1", to = "10.0.0.2", request, ...facts }: CallFacts): Call {
  return {
    source: EXTERNAL,
    destination: EXTERNAL,
    sourceAddress: address(from),
    destinationAddress: address(to),
    destinationNames: [],
    protocol: "tcp",
    port: 8443,
    claims: {},
    tenant: "",
    permissions: [],
    ...facts,
    request: request && { method: "GET", path: "/", host: "", headers: {}, query: {}, params: {}, ...request },
  };
}
