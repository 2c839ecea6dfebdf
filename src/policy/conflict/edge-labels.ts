/** Labels that policies give to the calls that they allow: the route, a limit, the region. */
import type { AccessResource } from "../../resource/access-resource.ts";
import { nameOf } from "../access/origin.ts";

/** In front of the names of such labels, among a policy's own labels or annotations. */
export const EDGE_LABEL_PREFIX = "edge.vigil.dev/";

export type EdgeLabels = { readonly [name: string]: string };

/** By the name of the policy, as origins of rules have it; annotations, which may hold any text, come before labels. */
export function edgeLabelsOf(resources: readonly AccessResource[]): ReadonlyMap<string, EdgeLabels> {
  const all = new Map<string, EdgeLabels>();
  for (const resource of resources) {
    const { labels, annotations } = resource.metadata;
    const own = [...Object.entries(labels), ...Object.entries(annotations)].flatMap(([key, value]) =>
      key.startsWith(EDGE_LABEL_PREFIX) ? [[key.slice(EDGE_LABEL_PREFIX.length), value] as const] : [],
    );
    if (own.length > 0) all.set(nameOf(resource), Object.fromEntries(own));
  }
  return all;
}
