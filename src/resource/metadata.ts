import { nonEmptyText, record, required, type Shape, textMap, withDefault } from "./shape.ts";

/** The part of `metadata` that a policy engine reads. */
export interface Metadata {
  readonly name: string;
  /** Empty for cluster-scoped resources. */
  readonly namespace: string;
  readonly labels: { readonly [key: string]: string };
  readonly annotations: { readonly [key: string]: string };
}

/** What a policy says of itself for people: `title`, `description`, `severity`, `category`; by Vigil's annotation or by Kyverno's. */
export const policyNote = ({ annotations }: Metadata, name: string): string | undefined =>
  annotations[`policies.vigil.dev/${name}`] ?? annotations[`policies.kyverno.io/${name}`];

/** What the API server keeps there. */
const KEPT_BY_THE_SERVER = [
  "creationTimestamp",
  "deletionGracePeriodSeconds",
  "deletionTimestamp",
  "finalizers",
  "generateName",
  "generation",
  "managedFields",
  "ownerReferences",
  "resourceVersion",
  "selfLink",
  "uid",
];

export const metadata: Shape<Metadata> = record<Metadata>(
  {
    name: required(nonEmptyText),
    namespace: withDefault(nonEmptyText, ""),
    labels: withDefault(textMap, {}),
    annotations: withDefault(textMap, {}),
  },
  KEPT_BY_THE_SERVER,
);
