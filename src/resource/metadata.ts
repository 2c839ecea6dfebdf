/** The part of `metadata` that a policy engine reads. */
export interface Metadata {
  readonly name: string;
  /** Empty for cluster-scoped resources. */
  readonly namespace: string;
  readonly labels: { readonly [key: string]: string };
  readonly annotations: { readonly [key: string]: string };
}
