/** Objects that given policies are about: examples, which are then really judged. */
import { isJsonObject, type JsonObject, type JsonValue } from "../../lib/json.ts";
import type { KnownKind } from "../../resource/kubernetes-kinds.ts";
import type { LabelSelector } from "../../resource/label-selector.ts";
import type { CompiledPolicy } from "../compiled-policy.ts";
import { commonTexts } from "../conflict/condition-space.ts";
import { intersectSpaces, labelSpaceOf, labelsIn } from "../conflict/label-space.ts";
import { anyValue } from "../conflict/value-set.ts";
import type { World } from "../review.ts";

export interface SampleObject {
  readonly object: JsonObject;
  readonly world: World;
}

const NAMESPACE = "example";
const CONTAINERS: JsonObject = { containers: [{ name: "example", image: "example" }] };

/**
 * The smallest object of a kind that fits the selectors of the policies, with the fields that their conditions compare with texts; undefined
 * when no labels do. Whether it fits the conditions as a whole is found out by judging it.
 */
export function sampleObject({ group, version, kind, type }: KnownKind, policies: readonly CompiledPolicy[]): SampleObject | undefined {
  const selectorsOf = (pick: (constraints: NonNullable<CompiledPolicy["constraints"]>) => LabelSelector): readonly LabelSelector[] =>
    policies.flatMap(({ constraints, bindings }) =>
      [constraints, ...bindings.map(({ matchResources }) => matchResources)].flatMap((each) => (each === undefined ? [] : [pick(each)])),
    );
  const labelsFor = (selectors: readonly LabelSelector[]): JsonObject | undefined => labelsIn(intersectSpaces(selectors.map(labelSpaceOf)));
  const labels = labelsFor(selectorsOf(({ objectSelector }) => objectSelector));
  const namespaceLabels = labelsFor(selectorsOf(({ namespaceSelector }) => namespaceSelector));
  if (labels === undefined || namespaceLabels === undefined) return undefined;
  const metadata = { name: "example", ...(type.namespaced && { namespace: NAMESPACE }), labels };
  const apiVersion = group === "" ? version : `${group}/${version}`;
  let object: JsonObject = { apiVersion, kind, metadata, ...specOf(kind) };
  for (const [place, values] of commonTexts(policies.flatMap(({ conditions }) => conditions.map(({ program }) => program.checked.root)))) {
    const [variable, ...steps] = JSON.parse(place) as readonly string[]; // as `commonTexts` wrote it
    const text = anyValue(values);
    if (variable === "object" && text !== undefined) object = withText(object, steps, text);
  }
  const namespace: JsonObject = { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE, labels: namespaceLabels } };
  return {
    object,
    world: { namespace: (name) => (name === NAMESPACE ? namespace : undefined), objects: () => [], bindings: {}, nowMs: 0 },
  };
}

const WITH_TEMPLATE: ReadonlySet<string> = new Set([
  "Deployment",
  "StatefulSet",
  "DaemonSet",
  "ReplicaSet",
  "Job",
  "ReplicationController",
]);

function specOf(kind: string): JsonObject {
  if (kind === "Pod") return { spec: CONTAINERS };
  const template: JsonObject = { template: { metadata: {}, spec: CONTAINERS } };
  if (kind === "CronJob") return { spec: { jobTemplate: { spec: template } } };
  return WITH_TEMPLATE.has(kind) ? { spec: template } : {};
}

/** The object with a text at a path; steps through what is no object leave it as it is. */
function withText(value: JsonObject, [step, ...rest]: readonly string[], text: string): JsonObject {
  if (step === undefined || step === "__proto__") return value;
  if (rest.length === 0) return { ...value, [step]: text };
  const inner: JsonValue | undefined = Object.hasOwn(value, step) ? value[step] : {};
  return isJsonObject(inner) ? { ...value, [step]: withText(inner, rest, text) } : value;
}
