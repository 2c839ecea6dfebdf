/** Bundles of several trust domains, kept apart (SPIFFE_Trust_Domain_and_Bundle §5). */
import { isJsonObject, type JsonObject } from "../lib/json.ts";
import { ok, type Result } from "../lib/result.ts";
import { jsonOfTrustBundle, readBundleJson, type TrustBundle, trustBundleOf } from "./bundle.ts";
import type { BundleSource } from "./bundle-source.ts";
import { refuse, type SpiffeError, shownValue } from "./spiffe-error.ts";
import { parseTrustDomain, type TrustDomain } from "./spiffe-id.ts";

/** A source whose content does not change. */
export interface BundleMap extends BundleSource {
  readonly bundles: ReadonlyMap<TrustDomain, TrustBundle>;
}

/** The map of some bundles. Throws a RangeError when two are of one trust domain: which of them is meant cannot be told. */
export function createBundleMap(bundles: readonly TrustBundle[]): BundleMap {
  const byDomain = new Map<TrustDomain, TrustBundle>();
  for (const bundle of bundles) {
    if (byDomain.has(bundle.trustDomain)) throw new RangeError(`two bundles for the trust domain \`${bundle.trustDomain}\``);
    byDomain.set(bundle.trustDomain, bundle);
  }
  return { bundles: byDomain, bundleOf: (domain) => byDomain.get(domain) };
}

/** The map that a document holds. Refresh hints inside it say nothing about the map and are dropped (§5.1.1). UNTRUSTED. */
export function parseBundleMap(json: Uint8Array): Result<BundleMap, SpiffeError> {
  const document = readBundleJson(json);
  if (!document.ok) return document;
  const domains = document.value["trust_domains"];
  if (!isJsonObject(domains)) return refuse("bundle-map", `expected an object in trust_domains, got ${shownValue(domains)}`);
  const bundles: TrustBundle[] = [];
  for (const [name, value] of Object.entries(domains)) {
    const domain = parseTrustDomain(name);
    if (!domain.ok) return domain;
    if (!isJsonObject(value)) return refuse("bundle-map", `expected a bundle for \`${name}\`, got ${shownValue(value)}`);
    const { spiffe_refresh_hint: _, ...withoutHint } = value;
    const bundle = trustBundleOf(withoutHint, domain.value);
    if (!bundle.ok) return bundle;
    bundles.push(bundle.value);
  }
  return ok(createBundleMap(bundles));
}

/** The map as a JSON value, without refresh hints. */
export function jsonOfBundleMap({ bundles }: BundleMap): JsonObject {
  const domains = [...bundles].map(([domain, bundle]) => {
    const { spiffe_refresh_hint: _, ...json } = jsonOfTrustBundle(bundle);
    return [domain, json] as const;
  });
  return { trust_domains: Object.fromEntries(domains) };
}
