/** Kyverno's `resource` variable: objects of the cluster. */
import type { FunctionDeclaration, Library, Overload } from "../../declaration.ts";
import { quote } from "../../runtime/failure.ts";
import { type CelType, DYN, mapType, opaqueType, STRING } from "../../type.ts";
import type { CelValue } from "../../value.ts";
import { dyn, fail, type MapValue, map, method, opaque, type Parameter, string } from "../define.ts";
import { Handle } from "../handle.ts";
import { inBothCases, type Lookup, lookedUp, textEntries } from "./lookup.ts";

/** A kind of objects as its API has it: `apps/v1` and `deployments`. */
export interface ResourceKind {
  readonly apiVersion: string;
  /** The plural, with `/subresource` where one is meant. */
  readonly resource: string;
}

/** Answers from the objects that were fetched beforehand. The empty namespace means all of them, or none for a cluster-scoped kind. */
export interface ResourceSource {
  /** The object; null when it is known that there is none. */
  get(kind: ResourceKind, namespace: string, name: string): Lookup;
  /** A Kubernetes list object, with `items`. */
  list(kind: ResourceKind, namespace: string, labels: Readonly<Record<string, string>>): Lookup;
  /** What the API server answers to the creation of an object, such as a SubjectAccessReview. */
  post(kind: ResourceKind, namespace: string, object: CelValue): Lookup;
  /** The plural of a kind, or undefined. */
  resourceOf(apiVersion: string, kind: string): string | undefined;
}

export const RESOURCE_CONTEXT: CelType = opaqueType("resource.Context");
const GROUP_VERSION_RESOURCE: CelType = opaqueType("schema.GroupVersionResource");
const OBJECT = mapType(STRING, DYN);

/** The value of the variable `resource`. */
export const resourceContext = (source: ResourceSource): Handle<ResourceSource> => new Handle(RESOURCE_CONTEXT, source);

const context: Parameter<Handle<ResourceSource>> = opaque(RESOURCE_CONTEXT);
const gvr: Parameter<Handle<ResourceKind>> = opaque(GROUP_VERSION_RESOURCE);
const labels: Parameter<MapValue> = map(string, string);
const object: Parameter<MapValue> = map(string, dyn);

const name = ({ apiVersion, resource }: ResourceKind, namespace: string, object: string): string =>
  quote([`${apiVersion} ${resource}`, namespace, object].filter((part) => part !== "").join("/"));

const get = ({ content }: Handle<ResourceSource>, kind: ResourceKind, namespace: string, objectName: string): CelValue =>
  lookedUp(content.get(kind, namespace, objectName), name(kind, namespace, objectName));

const list = ({ content }: Handle<ResourceSource>, kind: ResourceKind, namespace: string, selected?: MapValue): CelValue =>
  lookedUp(content.list(kind, namespace, selected === undefined ? {} : textEntries(selected)), `the list of ${name(kind, namespace, "")}`);

const post = ({ content }: Handle<ResourceSource>, kind: ResourceKind, namespace: string, posted: MapValue): CelValue =>
  lookedUp(content.post(kind, namespace, posted), `the answer to a new ${name(kind, namespace, "")}`);

function toGvr({ content }: Handle<ResourceSource>, apiVersion: string, kind: string): CelValue {
  const resource = content.resourceOf(apiVersion, kind);
  return resource === undefined
    ? fail(`unknown kind ${quote(kind)} of ${quote(apiVersion)}`)
    : new Handle(GROUP_VERSION_RESOURCE, { apiVersion, resource });
}

/** Functions of a policy of the cluster, which name the namespace. */
const clusterOverloads = {
  get: (suffix: string): readonly Overload[] => [
    method(
      `resource_get_string_string_string_string_${suffix}`,
      [context, string, string, string, string],
      OBJECT,
      (of, apiVersion, resource, namespace, object) => get(of, { apiVersion, resource }, namespace, object),
    ),
    method(`resource_get_gvr_string_string_${suffix}`, [context, gvr, string, string], OBJECT, (of, kind, namespace, object) =>
      get(of, kind.content, namespace, object),
    ),
  ],
  list: (suffix: string): readonly Overload[] => [
    method(
      `resource_list_string_string_string_${suffix}`,
      [context, string, string, string],
      OBJECT,
      (of, apiVersion, resource, namespace) => list(of, { apiVersion, resource }, namespace),
    ),
    method(
      `resource_list_string_string_string_map_${suffix}`,
      [context, string, string, string, labels],
      OBJECT,
      (of, apiVersion, resource, namespace, selected) => list(of, { apiVersion, resource }, namespace, selected),
    ),
    method(`list_resources_gvr_string_${suffix}`, [context, gvr, string], OBJECT, (of, kind, namespace) =>
      list(of, kind.content, namespace),
    ),
    method(`list_resources_gvr_string_map_${suffix}`, [context, gvr, string, labels], OBJECT, (of, kind, namespace, selected) =>
      list(of, kind.content, namespace, selected),
    ),
  ],
  post: (suffix: string): readonly Overload[] => [
    method(
      `resource_post_string_string_string_map_${suffix}`,
      [context, string, string, string, object],
      OBJECT,
      (of, apiVersion, resource, namespace, posted) => post(of, { apiVersion, resource }, namespace, posted),
    ),
    method(`resource_post_string_string_map_${suffix}`, [context, string, string, object], OBJECT, (of, apiVersion, resource, posted) =>
      post(of, { apiVersion, resource }, "", posted),
    ),
  ],
};

/** Functions of a namespaced policy, which stays in its namespace. */
const namespacedOverloads = (namespace: string): typeof clusterOverloads => ({
  get: (suffix) => [
    method(`resource_get_string_string_string_${suffix}`, [context, string, string, string], OBJECT, (of, apiVersion, resource, object) =>
      get(of, { apiVersion, resource }, namespace, object),
    ),
    method(`resource_get_gvr_string_${suffix}`, [context, gvr, string], OBJECT, (of, kind, object) =>
      get(of, kind.content, namespace, object),
    ),
  ],
  list: (suffix) => [
    method(`resource_list_string_string_${suffix}`, [context, string, string], OBJECT, (of, apiVersion, resource) =>
      list(of, { apiVersion, resource }, namespace),
    ),
    method(`resource_list_string_string_map_${suffix}`, [context, string, string, labels], OBJECT, (of, apiVersion, resource, selected) =>
      list(of, { apiVersion, resource }, namespace, selected),
    ),
    method(`list_resources_gvr_${suffix}`, [context, gvr], OBJECT, (of, kind) => list(of, kind.content, namespace)),
    method(`list_resources_gvr_map_${suffix}`, [context, gvr, labels], OBJECT, (of, kind, selected) =>
      list(of, kind.content, namespace, selected),
    ),
  ],
  post: (suffix) => [
    method(`resource_post_string_string_map_${suffix}`, [context, string, string, object], OBJECT, (of, apiVersion, resource, posted) =>
      post(of, { apiVersion, resource }, namespace, posted),
    ),
  ],
});

/** Kyverno's functions of the variable `resource`; inside one namespace when one is given. */
export function resourceLibrary(namespace?: string): Library {
  const overloads = namespace === undefined ? clusterOverloads : namespacedOverloads(namespace);
  const functions: readonly FunctionDeclaration[] = [
    ...inBothCases("get", "Get", "An object of the cluster; null when there is none.", overloads.get),
    ...inBothCases("list", "List", "The objects of a kind, as a Kubernetes list, those with some labels or all of them.", overloads.list),
    ...inBothCases("post", "Post", "What the API server answers to a new object.", overloads.post),
    ...inBothCases("toGVR", "ToGVR", "The resource of an API version and kind.", (suffix) => [
      method(`convert_to_gvr_string_string_${suffix}`, [context, string, string], GROUP_VERSION_RESOURCE, toGvr),
    ]),
  ];
  return { name: "kyverno.resource", functions };
}
