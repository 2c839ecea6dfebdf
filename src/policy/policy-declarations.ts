/** The types that policies see beside their objects: the request, the namespace, their variables, and what mutations are made of. */
import {
  BOOL,
  type CelType,
  DYN,
  type FieldType,
  INT,
  listType,
  mapType,
  objectType,
  STRING,
  TIMESTAMP,
  type TypeProvider,
} from "../cel/type.ts";

export const REQUEST: CelType = objectType("kubernetes.AdmissionRequest");
export const NAMESPACE: CelType = objectType("kubernetes.Namespace");
export const EXCEPTION: CelType = objectType("libs.Exception");
/** What an apply configuration evaluates to. */
export const APPLY_CONFIGURATION: CelType = objectType("Object");
export const JSON_PATCH: CelType = objectType("JSONPatch");

const LABELS = mapType(STRING, STRING);
const GROUP_VERSION_KIND: CelType = objectType("kubernetes.GroupVersionKind");
const GROUP_VERSION_RESOURCE: CelType = objectType("kubernetes.GroupVersionResource");

type Fields = ReadonlyMap<string, FieldType>;

const fields = (types: Readonly<Record<string, CelType>>): Fields => new Map(Object.entries(types).map(([name, type]) => [name, { type }]));

const requestFields: Readonly<Record<string, CelType>> = {
  uid: STRING,
  kind: GROUP_VERSION_KIND,
  resource: GROUP_VERSION_RESOURCE,
  subResource: STRING,
  requestKind: GROUP_VERSION_KIND,
  requestResource: GROUP_VERSION_RESOURCE,
  requestSubResource: STRING,
  name: STRING,
  namespace: STRING,
  operation: STRING,
  userInfo: objectType("kubernetes.UserInfo"),
  dryRun: BOOL,
  options: DYN,
};

const DECLARED: ReadonlyMap<string, Fields> = new Map([
  ["kubernetes.AdmissionRequest", fields(requestFields)],
  ["kubernetes.GroupVersionKind", fields({ group: STRING, version: STRING, kind: STRING })],
  ["kubernetes.GroupVersionResource", fields({ group: STRING, version: STRING, resource: STRING })],
  ["kubernetes.UserInfo", fields({ username: STRING, uid: STRING, groups: listType(STRING), extra: mapType(STRING, listType(STRING)) })],
  [
    "kubernetes.Namespace",
    fields({
      metadata: objectType("kubernetes.NamespaceMetadata"),
      spec: objectType("kubernetes.NamespaceSpec"),
      status: objectType("kubernetes.NamespaceStatus"),
    }),
  ],
  [
    "kubernetes.NamespaceMetadata",
    fields({
      name: STRING,
      generateName: STRING,
      namespace: STRING,
      labels: LABELS,
      annotations: LABELS,
      uid: STRING,
      UID: STRING,
      creationTimestamp: TIMESTAMP,
      deletionTimestamp: TIMESTAMP,
      deletionGracePeriodSeconds: INT,
      generation: INT,
      resourceVersion: STRING,
      finalizers: listType(STRING),
    }),
  ],
  ["kubernetes.NamespaceSpec", fields({ finalizers: listType(STRING) })],
  ["kubernetes.NamespaceStatus", fields({ phase: STRING })],
  /** Policies without variables; others add theirs (`withVariables`). */
  ["kubernetes.variables", fields({})],
  ["libs.Exception", fields({ allowedImages: listType(STRING), allowedValues: listType(STRING) })],
  ["JSONPatch", fields({ op: STRING, path: STRING, from: STRING, value: DYN })],
]);

/** Kyverno lets policies read the object through the request too. */
const KYVERNO_REQUEST = fields({ ...requestFields, object: DYN, oldObject: DYN });

/** Every field is declared, as dyn: the objects that an apply configuration makes have no schema while it is checked. */
class AnyFields extends Map<string, FieldType> {
  override get(_name: string): FieldType {
    return ANY_FIELD;
  }
  override has(_name: string): boolean {
    return true;
  }
}
const ANY_FIELD: FieldType = { type: DYN };
const ANY_FIELDS: Fields = new AnyFields();

const isObjectName = (name: string): boolean => name === "Object" || name.startsWith("Object.");

/** The types for validation; with `mutation`, also `Object…` and `JSONPatch`. */
export function declaredTypes(family: "kubernetes" | "kyverno", mutation: boolean): TypeProvider {
  return {
    fieldsOf: (name) => {
      if (mutation && isObjectName(name)) return ANY_FIELDS;
      if (family === "kyverno" && name === "kubernetes.AdmissionRequest") return KYVERNO_REQUEST;
      return mutation || name !== "JSONPatch" ? DECLARED.get(name) : undefined;
    },
    findType: (name) => {
      if (name === "JSONPatch" || isObjectName(name)) return mutation ? objectType(name) : undefined;
      return DECLARED.has(name) ? objectType(name) : undefined;
    },
  };
}

export const VARIABLES: CelType = objectType("kubernetes.variables");

/** The provider with the variables of one policy, which may still be growing while they are compiled. */
export function withVariables(types: TypeProvider, variables: Fields): TypeProvider {
  return {
    fieldsOf: (name) => (name === "kubernetes.variables" ? variables : types.fieldsOf(name)),
    findType: (name) => types.findType(name),
  };
}
