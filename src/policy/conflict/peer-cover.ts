/** Whether one match of an end means all that another means, for workloads that do not exist yet, too. */

import { EVERYTHING } from "../../resource/label-selector.ts";
import type { NamespaceMatch, PeerMatch } from "../access/peer-match.ts";
import { namespaceNamed, selectorParts } from "../access/security-labels.ts";
import { selectsEverything } from "../label-match.ts";
import { addressSpaceOf, everyAddress } from "./address-space.ts";
import { isIntervalSubset } from "./intervals.ts";
import { isSelectorSubset } from "./label-space.ts";
import { domainOfPattern, isDnsSubset, isSpiffeSubset } from "./name-pattern.ts";
import { kindsOf, type Place } from "./sample-end.ts";

/** Whether each end that `inner` means at this place is meant by `outer`. INVARIANT: `inner` is not empty there. */
export function coversPeer(outer: PeerMatch, inner: PeerMatch, place: Place): boolean {
  switch (outer.kind) {
    case "any":
      return true;
    case "known":
      return place.isSubject || !kindsOf(inner).includes("external");
    case "workload":
      if (inner.kind === "workload")
        return (
          (outer.name === undefined || outer.name === inner.name) &&
          coversNamespace(outer.namespace, inner.namespace) &&
          isSelectorSubset(inner.labels, outer.labels)
        );
      if (inner.kind === "security-labels" && coversByParts(outer, inner)) return true;
      return place.isSubject && outer.name === undefined && isAnyNamespace(outer.namespace) && selectsEverything(outer.labels);
    case "node":
      if (inner.kind === "node") return isSelectorSubset(inner.labels, outer.labels);
      return (inner.kind === "host" || inner.kind === "remote-node") && selectsEverything(outer.labels);
    case "host":
    case "remote-node":
      return inner.kind === outer.kind;
    case "security-labels":
      return coversSecurityLabels(outer, inner, place);
    case "world":
      return (
        !kindsOf(inner).some((kind) => kind !== "external") &&
        (outer.family === undefined ||
          (inner.kind === "world" && inner.family === outer.family) ||
          (inner.kind === "network" && addressSpaceOf(inner).family === outer.family))
      );
    case "spiffe-id":
      return inner.kind === "spiffe-id" && isSpiffeSubset(inner.pattern, outer.pattern);
    case "trust-domain":
      return (
        (inner.kind === "trust-domain" && inner.domain === outer.domain) ||
        (inner.kind === "spiffe-id" && domainOfPattern(inner.pattern) === outer.domain)
      );
    case "network":
      return coversNetwork(outer, inner);
    case "dns":
      return inner.kind === "dns" && isDnsSubset(inner.pattern, outer.pattern);
    default:
      return outer satisfies never;
  }
}

type Workload = Extract<PeerMatch, { kind: "workload" }>;
type SecurityLabels = Extract<PeerMatch, { kind: "security-labels" }>;

function coversByParts({ name, namespace, labels }: Workload, { selector }: SecurityLabels): boolean {
  const parts = selectorParts(selector);
  const isNamespaceCovered =
    isAnyNamespace(namespace) ||
    (namespace.kind === "labels" && isSelectorSubset(parts.ofNamespace, namespace.selector)) ||
    (namespace.kind === "name" && isSelectorSubset(parts.namespace, namespaceNamed(namespace.name)));
  return name === undefined && isNamespaceCovered && isSelectorSubset(parts.own, labels);
}

/** Part by part: the parts are about different facts, so that a product of them is covered when each of them is. */
function coversSecurityLabels({ selector }: SecurityLabels, inner: PeerMatch, { isSubject }: Place): boolean {
  if (inner.kind === "security-labels") return isSelectorSubset(inner.selector, selector);
  if (inner.kind !== "workload") return isSubject && selectsEverything(selector);
  const parts = selectorParts(selector);
  const { namespace, labels } = inner;
  const named = namespace.kind === "name" ? namespaceNamed(namespace.name) : EVERYTHING;
  return (
    isSelectorSubset(labels, parts.own) &&
    isSelectorSubset(named, parts.namespace) &&
    isSelectorSubset(namespace.kind === "labels" ? namespace.selector : EVERYTHING, parts.ofNamespace) &&
    selectsEverything(parts.serviceAccount)
  );
}

function coversNetwork(outer: Extract<PeerMatch, { kind: "network" }>, inner: PeerMatch): boolean {
  const space = addressSpaceOf(outer);
  if (inner.kind === "world") {
    return inner.family === space.family && isIntervalSubset(everyAddress(inner.family).intervals, space.intervals);
  }
  if (inner.kind !== "network" || (outer.scope === "external" && inner.scope !== "external")) return false;
  const own = addressSpaceOf(inner);
  return own.family === space.family && isIntervalSubset(own.intervals, space.intervals);
}

const isAnyNamespace = (match: NamespaceMatch): boolean =>
  match.kind === "any" || (match.kind === "labels" && selectsEverything(match.selector));

function coversNamespace(outer: NamespaceMatch, inner: NamespaceMatch): boolean {
  if (isAnyNamespace(outer)) return true;
  if (outer.kind === "name") return inner.kind === "name" && inner.name === outer.name;
  if (outer.kind !== "labels") return false;
  return inner.kind === "labels" && isSelectorSubset(inner.selector, outer.selector);
}

/** Whether each alternative of `inner` is meant by some one alternative of `outer`. */
export const coversPeers = (outer: readonly PeerMatch[], inner: readonly PeerMatch[], place: Place): boolean =>
  inner.every((match) => outer.some((wider) => coversPeer(wider, match, place)));
