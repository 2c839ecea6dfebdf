/** The resources of the identity plane, `vigil.dev/v1alpha1`: parsed once, here, or refused with file, line and column. */
import type { Diagnostic } from "../lib/diagnostic.ts";
import { type Document, diagnose } from "./document.ts";
import type { PolicyResourceErrorCode } from "./policy-resource.ts";
import { type ParseResource, resourceParser } from "./resource-root.ts";
import { Spot } from "./shape.ts";
import { trustDomainName } from "./spiffe-shape.ts";
import { type TrustDomainResource, trustDomainSpec } from "./trust-domain.ts";
import { VIGIL_GROUP, VIGIL_VERSION } from "./vigil-kinds.ts";
import { type Workload, workloadSpec } from "./workload.ts";

export type IdentityResource = TrustDomainResource | Workload;

export type ParsedIdentityResource =
  | { readonly kind: "identity"; readonly resource: IdentityResource }
  /** Of another kind. */
  | { readonly kind: "other" }
  | { readonly kind: "refused"; readonly diagnostics: readonly Diagnostic[] };

const readTrustDomain = resourceParser("TrustDomain", trustDomainSpec);

const parseTrustDomainResource: ParseResource<TrustDomainResource> = (spot) => {
  const read = readTrustDomain(spot);
  const name = read && trustDomainName(read.metadata.name, spot.child("metadata").child("name"));
  return read === undefined || name === undefined ? undefined : { ...read, name };
};

const PARSERS: ReadonlyMap<string, ParseResource<IdentityResource>> = new Map<string, ParseResource<IdentityResource>>([
  ["TrustDomain", parseTrustDomainResource],
  ["Workload", resourceParser("Workload", workloadSpec)],
]);

/** Reads a document as a resource of the identity plane; says so when it is none. CEL texts inside are not compiled yet. */
export function parseIdentityResource(document: Document): ParsedIdentityResource {
  const { apiVersion, kind } = document.value;
  if (typeof apiVersion !== "string" || typeof kind !== "string") return { kind: "other" };
  const [group, version = ""] = apiVersion.split("/", 2);
  const parse = group === VIGIL_GROUP ? PARSERS.get(kind) : undefined;
  if (parse === undefined) return { kind: "other" };
  if (version !== VIGIL_VERSION) {
    const code: PolicyResourceErrorCode = "RESOURCE_UNSUPPORTED_VERSION";
    const message = `expected version ${VIGIL_VERSION} of ${kind}, got \`${version}\``;
    return { kind: "refused", diagnostics: [diagnose(document, ["apiVersion"], { code, message })] };
  }
  const problems: Diagnostic[] = [];
  const resource = parse(new Spot(document, [], problems));
  return resource === undefined || problems.length > 0 ? { kind: "refused", diagnostics: problems } : { kind: "identity", resource };
}
