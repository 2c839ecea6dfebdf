/** Who is meant in a policy of Cilium: endpoints by their labels, and the entities that it gives names (pkg/policy/api/entity.go). */
import type { LabelSelector, LabelSelectorRequirement } from "./label-selector.ts";
import { checked, listOf, nonEmptyText, record, required, type Shape, type Spot, text, textMap, withDefault } from "./shape.ts";

/**
 * `all` is everything, `cluster` all workloads, nodes and this host, `remote-node` every node but this host. `init`, `health` and `none`
 * are nobody here: workloads have their labels before their first packet, and Cilium's health endpoints do not exist. `kube-apiserver`
 * is what is behind the Service `kubernetes` of the namespace `default`.
 */
export const CILIUM_ENTITIES = [
  "all",
  "world",
  "world-ipv4",
  "world-ipv6",
  "cluster",
  "host",
  "remote-node",
  "init",
  "health",
  "none",
  "kube-apiserver",
] as const;
export type CiliumEntity = (typeof CILIUM_ENTITIES)[number];

const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ["ingress", "Cilium's own ingress does not exist here; select the gateway's workload by its labels"],
  ["unmanaged", "there is no workload that Vigil knows and does not manage; use `cluster` or `world`"],
]);

export type CiliumSelector =
  /** Keys without the prefixes `k8s:` and `any:`. */
  { readonly kind: "labels"; readonly selector: LabelSelector } | { readonly kind: "entity"; readonly entity: CiliumEntity };

export const ciliumEntity: Shape<CiliumEntity> = (value, spot) => {
  const read = text(value, spot);
  return read === undefined ? undefined : entityNamed(read, spot);
};

function entityNamed(name: string, spot: Spot): CiliumEntity | undefined {
  const found = CILIUM_ENTITIES.find((entity) => entity === name);
  if (found !== undefined) return found;
  const why = ELSEWHERE.get(name);
  if (why !== undefined) spot.report("RESOURCE_UNSUPPORTED_FIELD", `entity \`${name}\` in \`${spot.name}\` is not supported`, why);
  else
    spot.report(
      "RESOURCE_INVALID_VALUE",
      `expected \`${spot.name}\` to be an entity, got \`${name}\``,
      `one of ${CILIUM_ENTITIES.join(", ")}`,
    );
  return undefined;
}

/** The label that stands for the namespace of an endpoint. */
export const NAMESPACE_LABEL = "io.kubernetes.pod.namespace";

const OPERATORS = ["In", "NotIn", "Exists", "DoesNotExist"] as const;

/** In any case: Cilium's documentation writes `in`. */
const operator: Shape<LabelSelectorRequirement["operator"]> = (value, spot) => {
  const read = text(value, spot);
  if (read === undefined) return undefined;
  const found = OPERATORS.find((known) => known.toLowerCase() === read.toLowerCase());
  if (found === undefined)
    spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be ${OPERATORS.join(", ")}, got \`${read}\``);
  return found;
};

const MAX_ITEMS = 1_000;

const requirement: Shape<LabelSelectorRequirement> = checked(
  record<LabelSelectorRequirement>({
    key: required(nonEmptyText),
    operator: required(operator),
    values: withDefault(listOf(text, { max: MAX_ITEMS }), []),
  }),
  ({ operator: chosen, values }, spot) => {
    const needsValues = chosen === "In" || chosen === "NotIn";
    if (needsValues === values.length > 0) return;
    const expected = needsValues ? "at least one item" : "no items";
    spot.child("values").report("RESOURCE_INVALID_VALUE", `expected ${expected} in \`values\` for the operator \`${chosen}\``);
  },
);

const written: Shape<LabelSelector> = record<LabelSelector>({
  matchLabels: withDefault(textMap, {}),
  matchExpressions: withDefault(listOf(requirement, { max: MAX_ITEMS }), []),
});

/** Whom `endpointSelector`, `fromEndpoints` and `toEndpoints` mean. */
export const ciliumSelector: Shape<CiliumSelector> = (value, spot) => {
  const read = written(value, spot);
  if (read === undefined) return undefined;
  const keys = [...Object.keys(read.matchLabels), ...read.matchExpressions.map(({ key }) => key)];
  const reserved = keys.find((key) => key.startsWith("reserved:"));
  if (reserved !== undefined) return reservedSelector(reserved.slice("reserved:".length), read, keys.length, spot);
  const selector = withoutSources(read, spot);
  return selector === undefined ? undefined : { kind: "labels", selector };
};

/** Nodes have plain labels. */
export const nodeSelector: Shape<LabelSelector> = (value, spot) => {
  const read = written(value, spot);
  return read === undefined ? undefined : withoutSources(read, spot);
};

/** A reserved label stands for an entity; together with other labels it would mean something that has no name here. */
function reservedSelector(
  name: string,
  { matchLabels, matchExpressions }: LabelSelector,
  keys: number,
  spot: Spot,
): CiliumSelector | undefined {
  const isAlone = keys === 1 && Object.values(matchLabels).every((label) => label === "");
  if (!isAlone || matchExpressions.some(({ operator: chosen }) => chosen !== "Exists")) {
    const hint = "a reserved label can only stand alone";
    spot.report("RESOURCE_UNSUPPORTED_FIELD", `\`reserved:${name}\` with other conditions in \`${spot.name}\` is not supported`, hint);
    return undefined;
  }
  const entity = entityNamed(name, spot);
  return entity === undefined ? undefined : { kind: "entity", entity };
}

function withoutSources({ matchLabels, matchExpressions }: LabelSelector, spot: Spot): LabelSelector | undefined {
  const labels: { [key: string]: string } = {};
  const problemsBefore = spot.problems.length;
  for (const [key, label] of Object.entries(matchLabels)) {
    const name = plainKey(key, spot.child("matchLabels").child(key));
    if (name !== undefined && Object.hasOwn(labels, name) && labels[name] !== label)
      spot.report("RESOURCE_INVALID_VALUE", `expected one value for \`${name}\` in \`${spot.name}\`, got two`);
    if (name !== undefined) labels[name] = label;
  }
  const expressions = matchExpressions.map((each, index) => {
    const at = spot.child("matchExpressions").child(index).child("key");
    return { ...each, key: plainKey(each.key, at) ?? each.key };
  });
  return spot.problems.length === problemsBefore ? { matchLabels: labels, matchExpressions: expressions } : undefined;
}

/** The key without its source; only Kubernetes' labels are known here. */
function plainKey(key: string, spot: Spot): string | undefined {
  const source = /^([a-z0-9-]*):/.exec(key)?.[1];
  if (source === undefined) return key;
  if (source === "k8s" || source === "any") return key.slice(source.length + 1);
  const hint = "labels come from Kubernetes or from a Workload: use `k8s:`, `any:` or no prefix";
  spot.report("RESOURCE_UNSUPPORTED_FIELD", `labels of the source \`${source}\` are not supported`, hint, true);
  return undefined;
}
