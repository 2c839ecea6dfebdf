/** Messages of the Workload API as values. Each holds everything: what is absent is no longer valid (SPIFFE_Workload_API §4.4). UNTRUSTED. */
import { ok, type Result } from "../../lib/result.ts";
import { parseJwtBundle, parseWitBundle, parseX509Bundle, type TrustBundle } from "../bundle.ts";
import type { JWTBundlesResponse, WITBundlesResponse, X509BundlesResponse, X509SVIDResponse } from "../generated/spiffe/workload_pb.ts";
import { refuse, type SpiffeError, shown } from "../spiffe-error.ts";
import { parseSpiffeId, pathOf, type TrustDomain, trustDomainOf } from "../spiffe-id.ts";
import { parseX509Svid, type X509Svid } from "../x509-svid.ts";
import { MAX_SVIDS, withDistinctHints } from "./client.ts";

export type Bundles = ReadonlyMap<TrustDomain, TrustBundle>;

/** All identities of a workload and the X.509 bundles that it needs. */
export interface X509Update {
  /** The first is the default. No two have the same hint. */
  readonly svids: readonly [X509Svid, ...X509Svid[]];
  readonly bundles: Bundles;
}

type BundleParser = (octets: Uint8Array, domain: TrustDomain) => Result<TrustBundle, SpiffeError>;

/** A message with an empty mandatory field is refused as a whole (§4.5), as is one that cannot be read. */
export function readX509Update({ svids, federatedBundles }: X509SVIDResponse): Result<X509Update, SpiffeError> {
  if (svids.length > MAX_SVIDS) return refuse("workload-api-mandatory", `expected at most ${MAX_SVIDS} SVIDs, got ${svids.length}`);
  const bundles = readBundles(federatedBundles, parseX509Bundle);
  if (!bundles.ok) return bundles;
  const all = new Map(bundles.value);
  const read: X509Svid[] = [];
  for (const { spiffeId, x509Svid, x509SvidKey, bundle, hint } of svids) {
    if (spiffeId === "" || x509Svid.length === 0 || x509SvidKey.length === 0 || bundle.length === 0)
      return refuse("workload-api-mandatory", "an X.509-SVID came without its ID, its certificates, its key or its bundle");
    const svid = parseX509Svid(x509Svid, x509SvidKey, hint);
    if (!svid.ok) return svid;
    const { id } = svid.value;
    if (id !== spiffeId) return refuse("workload-api-id", `the certificate is of ${shown(id)}, not of ${shown(spiffeId)}`);
    const own = parseX509Bundle(bundle, trustDomainOf(id));
    if (!own.ok) return own;
    all.set(own.value.trustDomain, own.value);
    read.push(svid.value);
  }
  const [first, ...rest] = withDistinctHints(read);
  return first === undefined
    ? refuse("workload-api-mandatory", "expected an X.509-SVID, got none")
    : ok({ svids: [first, ...rest], bundles: all });
}

export function readX509Bundles({ bundles }: X509BundlesResponse): Result<Bundles, SpiffeError> {
  return readOwnBundles(bundles, parseX509Bundle);
}

export function readJwtBundles({ bundles }: JWTBundlesResponse): Result<Bundles, SpiffeError> {
  return readOwnBundles(bundles, parseJwtBundle);
}

export function readWitBundles({ bundles }: WITBundlesResponse): Result<Bundles, SpiffeError> {
  const octets = Object.entries(bundles).map(([id, text]) => [id, Buffer.from(text)] as const);
  return readOwnBundles(Object.fromEntries(octets), parseWitBundle);
}

/** There is at least the bundle of the server's own trust domain (§5.2.2, §6.2.2). */
function readOwnBundles(bundles: Readonly<Record<string, Uint8Array>>, parse: BundleParser): Result<Bundles, SpiffeError> {
  const read = readBundles(bundles, parse);
  return read.ok && read.value.size === 0 ? refuse("workload-api-mandatory", "expected a bundle, got none") : read;
}

/** By the SPIFFE ID of the trust domain. */
function readBundles(bundles: Readonly<Record<string, Uint8Array>>, parse: BundleParser): Result<Bundles, SpiffeError> {
  const read = new Map<TrustDomain, TrustBundle>();
  for (const [key, octets] of Object.entries(bundles)) {
    const id = parseSpiffeId(key);
    if (!id.ok) return id;
    if (pathOf(id.value) !== "") return refuse("workload-api-id", `a bundle is named by a trust domain, not by ${shown(key)}`);
    const bundle = parse(octets, trustDomainOf(id.value));
    if (!bundle.ok) return bundle;
    read.set(bundle.value.trustDomain, bundle.value);
  }
  return ok(read);
}
