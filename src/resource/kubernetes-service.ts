/**
 * Services and what is behind them, as far as policies ask: Service and Endpoints of `v1`, EndpointSlice of `discovery.k8s.io/v1`. They are
 * objects of a cluster, not policies: fields that no policy asks for are left to the cluster.
 */
import { parseIpAddress } from "../lib/ip-address.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";
import type { Document } from "./document.ts";
import { type Metadata, metadata } from "./metadata.ts";
import type { ParseResource } from "./resource-root.ts";
import { required, type Shape, type Spot, text, textMap } from "./shape.ts";

export interface KubernetesService {
  readonly kind: "Service";
  readonly document: Document;
  readonly metadata: Metadata;
  /** Labels of the workloads behind it; undefined where its endpoints are written down. */
  readonly selector: { readonly [key: string]: string } | undefined;
}

export interface ServiceEndpoints {
  readonly kind: "Endpoints" | "EndpointSlice";
  readonly document: Document;
  readonly metadata: Metadata;
  /** Name of the Service, of the same namespace. */
  readonly service: string;
  readonly addresses: readonly Uint8Array[];
}

/** As the API server limits an EndpointSlice; Endpoints may have more. */
const MAX_ADDRESSES = 10_000;
const SERVICE_NAME = "kubernetes.io/service-name";

/** A mapping of which only some fields are read. */
function partOf(value: JsonValue | undefined): JsonObject {
  return value !== undefined && isJsonObject(value) ? value : {};
}

function metadataOf(spot: Spot): Metadata | undefined {
  const at = spot.child("metadata");
  const value = spot.document.value["metadata"] ?? null;
  return value === null ? required(metadata).absent(at) : metadata(value, at);
}

export const parseService: ParseResource<KubernetesService> = (spot) => {
  const { document } = spot;
  const read = metadataOf(spot);
  const selector = partOf(document.value["spec"])["selector"] ?? null;
  const labels = selector === null ? undefined : textMap(selector, spot.child("spec").child("selector"));
  if (read === undefined || (selector !== null && labels === undefined)) return undefined;
  const isEmpty = labels !== undefined && Object.keys(labels).length === 0;
  return { kind: "Service", document, metadata: read, selector: isEmpty ? undefined : labels };
};

const address: Shape<Uint8Array> = (value, spot) => {
  const read = text(value, spot);
  const octets = read === undefined ? undefined : parseIpAddress(read);
  if (octets === undefined && read !== undefined)
    spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be an IP address, got \`${read}\``);
  return octets;
};

/** Items of a list with their places, up to the limit; nothing where there is no list. */
function* itemsOf(value: JsonValue | undefined, spot: Spot): Generator<readonly [JsonValue, Spot], void> {
  if (value === undefined || value === null) return;
  if (!isJsonArray(value) || value.length > MAX_ADDRESSES)
    return void spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be a list of at most ${MAX_ADDRESSES} items`);
  for (const [index, item] of value.entries()) yield [item, spot.child(index)];
}

export const parseEndpoints: ParseResource<ServiceEndpoints> = (spot) => {
  const { document } = spot;
  const read = metadataOf(spot);
  if (read === undefined) return undefined;
  const addresses: Uint8Array[] = [];
  for (const [subset, at] of itemsOf(document.value["subsets"], spot.child("subsets"))) {
    for (const [item, place] of itemsOf(partOf(subset)["addresses"], at.child("addresses"))) {
      const octets = address(partOf(item)["ip"] ?? null, place.child("ip"));
      if (octets !== undefined) addresses.push(octets);
    }
  }
  return { kind: "Endpoints", document, metadata: read, service: read.name, addresses };
};

export const parseEndpointSlice: ParseResource<ServiceEndpoints> = (spot) => {
  const { document } = spot;
  const read = metadataOf(spot);
  if (read === undefined) return undefined;
  const addresses: Uint8Array[] = [];
  const isNamed = document.value["addressType"] === "FQDN"; // names are nothing that a packet has
  for (const [endpoint, at] of isNamed ? [] : itemsOf(document.value["endpoints"], spot.child("endpoints"))) {
    for (const [item, place] of itemsOf(partOf(endpoint)["addresses"], at.child("addresses"))) {
      const octets = address(item, place);
      if (octets !== undefined) addresses.push(octets);
    }
  }
  return { kind: "EndpointSlice", document, metadata: read, service: read.labels[SERVICE_NAME] ?? "", addresses };
};
