/** All kinds that are known: those built into Kubernetes, and those of CustomResourceDefinitions. */
import type { TypeProvider } from "../cel/type.ts";
import type { CustomKind } from "./crd.ts";
import {
  type GroupVersionKind,
  type KnownKind,
  kubernetesKinds,
  kubernetesSchemas,
  kubernetesTypes,
  type ResourceType,
  resourceTypeOf,
} from "./kubernetes-kinds.ts";
import type { Schema } from "./schema.ts";
import { schemaTypes } from "./schema-type-provider.ts";

export interface Kinds {
  readonly all: () => readonly KnownKind[];
  readonly schemaOf: (kind: GroupVersionKind) => Schema | undefined;
  readonly resourceTypeOf: (kind: GroupVersionKind) => ResourceType | undefined;
  /** Declared types by name: `apps/v1 Deployment`, `apps/v1 Deployment.spec`, … */
  readonly types: TypeProvider;
}

export const BUILT_IN_KINDS: Kinds = { all: kubernetesKinds, schemaOf: kubernetesSchemas, resourceTypeOf, types: kubernetesTypes };

/** The built-in kinds and these; a custom kind never hides a built-in one. */
export function withCustomKinds(custom: readonly CustomKind[]): Kinds {
  if (custom.length === 0) return BUILT_IN_KINDS;
  const byName = new Map(custom.map((kind) => [kind.type.typeName, kind]));
  const find = ({ group, version, kind }: GroupVersionKind): CustomKind | undefined => {
    return custom.find((known) => known.group === group && known.version === version && known.kind === kind);
  };
  const types = schemaTypes((typeName) => byName.get(typeName)?.schema);
  return {
    all: () => [...kubernetesKinds(), ...custom],
    schemaOf: (kind) => kubernetesSchemas(kind) ?? find(kind)?.schema,
    resourceTypeOf: (kind) => resourceTypeOf(kind) ?? find(kind)?.type,
    types: {
      fieldsOf: (name) => kubernetesTypes.fieldsOf(name) ?? types.fieldsOf(name),
      findType: (name) => kubernetesTypes.findType(name) ?? types.findType(name),
    },
  };
}

/** The kinds that are called so: by kind or plural, in any case, also as `deployments.apps` or `apps/v1 Deployment`. */
export function findKinds(name: string, kinds: Kinds = BUILT_IN_KINDS): readonly KnownKind[] {
  const asked = name.toLowerCase();
  return kinds.all().filter(({ group, kind, type }) => {
    const names = [kind, type.plural, `${kind}.${group}`, `${type.plural}.${group}`, type.typeName];
    return names.some((candidate) => candidate.toLowerCase() === asked);
  });
}
