/** The kinds that Kubernetes has built in: their resources, schemas and declared types. */
import type { TypeProvider } from "../cel/type.ts";
import { definitionSchema, kubernetesTable, type StoredResource } from "./kubernetes-table.ts";
import type { Schema } from "./schema.ts";
import { schemaTypes } from "./schema-type-provider.ts";

export interface GroupVersionKind {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** What the API server serves a kind as. */
export interface ResourceType {
  /** Lower case, as in URLs and rules: `deployments`. */
  readonly plural: string;
  readonly namespaced: boolean;
  /** Of the kind's objects in CEL: `apps/v1 Deployment`. */
  readonly typeName: string;
  /** Names of subresources and the kinds that they take: `scale` → `Scale`. */
  readonly subresources: ReadonlyMap<string, string>;
}

/** A kind with what it is served as. */
export interface KnownKind extends GroupVersionKind {
  readonly type: ResourceType;
}

let byKind: ReadonlyMap<string, StoredResource> | null = null;

/** By group, version and kind, and by group and kind alone. */
function resourceIndex(): ReadonlyMap<string, StoredResource> {
  if (byKind !== null) return byKind;
  const index = new Map<string, StoredResource>();
  for (const resource of kubernetesTable().resources) {
    const { group, version, kind } = resource;
    index.set(`${group}/${version}/${kind}`, resource);
    // The table has the versions of a group in order, v1 first.
    if (!index.has(`${group}/${kind}`)) index.set(`${group}/${kind}`, resource);
  }
  byKind = index;
  return index;
}

/** How a kind is served, or undefined when it is not built in. A version that is no longer served is answered as the kind's other versions are. */
export function resourceTypeOf({ group, version, kind }: GroupVersionKind): ResourceType | undefined {
  const index = resourceIndex();
  const resource = index.get(`${group}/${version}/${kind}`) ?? index.get(`${group}/${kind}`);
  return resource === undefined ? undefined : toResourceType(resource);
}

function toResourceType({ group, version, kind, plural, namespaced, subresources }: StoredResource): ResourceType {
  return { plural, namespaced, typeName: typeNameOf({ group, version, kind }), subresources: new Map(subresources) };
}

/** `apps/v1 Deployment`: the name of a kind's type. */
export function typeNameOf({ group, version, kind }: GroupVersionKind): string {
  return `${group === "" ? "" : `${group}/`}${version} ${kind}`;
}

/** The schema of a built-in kind, or undefined. */
export function kubernetesSchemas({ group, version, kind }: GroupVersionKind): Schema | undefined {
  const resource = resourceIndex().get(`${group}/${version}/${kind}`);
  return resource === undefined ? undefined : definitionSchema(resource.definition);
}

/** All kinds that are built in, by group and version, preferred versions first. */
export function kubernetesKinds(): readonly KnownKind[] {
  return kubernetesTable().resources.map((resource) => {
    const { group, version, kind } = resource;
    return { group, version, kind, type: toResourceType(resource) };
  });
}

/** Declared types of the built-in kinds: `apps/v1 Deployment`, `apps/v1 Deployment.spec`, … */
export const kubernetesTypes: TypeProvider = schemaTypes((typeName) => {
  const [apiVersion = "", kind = ""] = typeName.split(" ");
  const slash = apiVersion.indexOf("/");
  return kubernetesSchemas({ group: apiVersion.slice(0, Math.max(0, slash)), version: apiVersion.slice(slash + 1), kind });
});
