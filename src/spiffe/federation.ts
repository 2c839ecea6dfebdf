/**
 * What a client of bundle endpoints must know and decide (SPIFFE_Federation §4–§6), without the connection itself: endpoint parameters,
 * redirects, who the server must be, which of two bundles is newer, when to ask again.
 */
import { ok, type Result } from "../lib/result.ts";
import type { TrustBundle } from "./bundle.ts";
import type { BundleSource } from "./bundle-source.ts";
import { refuse, type SpiffeError, shown } from "./spiffe-error.ts";
import { parseSpiffeId, parseTrustDomain, pathOf, type SpiffeId, type TrustDomain } from "./spiffe-id.ts";
import { type VerifiedX509Svid, verifyX509Svid } from "./x509-svid.ts";

/** Where the bundle of a foreign trust domain is, and how the server there is authenticated. */
export type FederationEndpoint =
  | { readonly profile: "https_web"; readonly trustDomain: TrustDomain; readonly url: string }
  | { readonly profile: "https_spiffe"; readonly trustDomain: TrustDomain; readonly url: string; readonly serverId: SpiffeId };

/** The endpoint of some configuration. The trust domain is part of it because bundles have no name (§5.1). */
export function parseFederationEndpoint(configuration: {
  readonly profile?: string | undefined;
  readonly trustDomain?: string | undefined;
  readonly url?: string | undefined;
  readonly serverId?: string | undefined;
}): Result<FederationEndpoint, SpiffeError> {
  const { profile, trustDomain, url, serverId } = configuration;
  if (trustDomain === undefined || url === undefined) return refuse("federation-parameters", "expected a trust domain and a URL");
  const domain = parseTrustDomain(trustDomain);
  if (!domain.ok) return domain;
  if (!isEndpointUrl(url)) return refuse("federation-url", `expected an https URL without user information, got ${shown(url)}`);
  switch (profile) {
    case "https_web":
      if (serverId !== undefined) return refuse("federation-parameters", "the profile https_web has no server ID");
      return ok({ profile, trustDomain: domain.value, url });
    case "https_spiffe": {
      if (serverId === undefined) return refuse("federation-parameters", "the profile https_spiffe needs the SPIFFE ID of the server");
      const id = parseSpiffeId(serverId);
      if (!id.ok) return id;
      if (pathOf(id.value) === "") return refuse("federation-parameters", "the SPIFFE ID of a server has a path");
      return ok({ profile, trustDomain: domain.value, url, serverId: id.value });
    }
    default:
      return refuse("federation-parameters", `expected the profile https_web or https_spiffe, got ${shown(profile ?? "nothing")}`);
  }
}

/** `new URL` would drop an empty user; the text is asked. */
const isEndpointUrl = (url: string): boolean => /^https:\/\/[^/?#@\s\\]+([/?#]\S*)?$/i.test(url) && URL.canParse(url);

/** Where a redirect from the endpoint leads: for this fetch only, never stored (§5.2.1.4, §5.2.2.4). `from` is the URL that answered. */
export function followRedirect(from: string, location: string): Result<string, SpiffeError> {
  // Before the base is applied: an authority in the location must be right as it is written.
  const isAbsolute = /^[a-z][a-z0-9+.-]*:/i.test(location);
  const target = isAbsolute ? location : URL.parse(location, from)?.href;
  if (target === undefined || !isEndpointUrl(target) || /^[\\/]{2}/.test(location))
    return refuse("federation-redirect", `expected a redirect to an https URL without user information, got ${shown(location)}`);
  return ok(target);
}

/**
 * Proves that the server of an https_spiffe endpoint is the configured one (§5.2.2.4). `bundles` are the latest stored ones: for an
 * endpoint that serves its own trust domain the configured bundle at first, and the last one fetched afterwards.
 */
export function verifyFederationServer(
  endpoint: FederationEndpoint & { readonly profile: "https_spiffe" },
  chain: readonly Uint8Array[],
  bundles: BundleSource,
  options: { readonly nowMs: number },
): Result<VerifiedX509Svid, SpiffeError> {
  const svid = verifyX509Svid(chain, bundles, options);
  if (!svid.ok || svid.value.id === endpoint.serverId) return svid;
  return refuse("federation-server", `expected the server \`${endpoint.serverId}\`, got \`${svid.value.id}\``);
}

/**
 * The bundle to keep after a fetch: the fetched one, unless its sequence number is lower than the stored one's (§4.2). Without sequence
 * numbers the later fetch wins. Throws a RangeError when the two are of different trust domains.
 */
export function succeedBundle(stored: TrustBundle | undefined, fetched: TrustBundle): Result<TrustBundle, SpiffeError> {
  if (stored === undefined) return ok(fetched);
  if (stored.trustDomain !== fetched.trustDomain)
    throw new RangeError(`a bundle of \`${fetched.trustDomain}\` cannot replace one of \`${stored.trustDomain}\``);
  if (stored.sequence !== undefined && fetched.sequence !== undefined && fetched.sequence < stored.sequence)
    return refuse("bundle-superseded", `the bundle has the sequence number ${fetched.sequence}, the stored one ${stored.sequence}`);
  return ok(fetched);
}

const DEFAULT_REFRESH_SECONDS = 300;
const MIN_REFRESH_SECONDS = 10;
const MAX_REFRESH_SECONDS = 24 * 60 * 60;

/**
 * How long to wait until the next fetch, whether the last one succeeded or failed (§4.1, §6.2): the hint of the stored bundle, five
 * minutes without one, and within ten seconds and a day whatever a stranger hints.
 */
export function refreshIntervalMs(stored: Pick<TrustBundle, "refreshHintSeconds"> | undefined): number {
  const seconds = stored?.refreshHintSeconds ?? DEFAULT_REFRESH_SECONDS;
  return Math.min(Math.max(seconds, MIN_REFRESH_SECONDS), MAX_REFRESH_SECONDS) * 1000;
}

/** Refresh hints that a new key should be public before it signs (§4.1: three to five). */
const PUBLICATION_HINTS = 5;

/** How long before its first use a new key should be published. */
export const publicationLeadMs = (refreshHintSeconds: number): number => refreshHintSeconds * PUBLICATION_HINTS * 1000;
