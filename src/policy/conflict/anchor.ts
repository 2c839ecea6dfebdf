/** Facts by which matches are found again: what every end that a match means has in common. */
import type { Endpoint } from "../access/endpoint.ts";
import type { PeerMatch } from "../access/peer-match.ts";
import { selectorParts } from "../access/security-labels.ts";
import { fixedLabels, labelSpaceOf } from "./label-space.ts";
import { domainOfPattern } from "./name-pattern.ts";

/**
 * INVARIANT: when `outer` covers `inner`, each anchor of `outer` is one of `inner`. So whoever covers a match is found under one of the
 * anchors of that match, or has none.
 */
export function anchorsOf(match: PeerMatch): readonly string[] {
  switch (match.kind) {
    case "workload":
      return [
        ...(match.name === undefined ? [] : [`name ${match.name}`]),
        ...(match.namespace.kind === "name" ? [`namespace ${match.namespace.name}`] : []),
        ...labelAnchors(fixedLabels(labelSpaceOf(match.labels))),
      ];
    case "security-labels": {
      const { own, namespace } = selectorParts(match.selector);
      return [
        ...fixedLabels(labelSpaceOf(namespace)).map(([, name]) => `namespace ${name}`),
        ...labelAnchors(fixedLabels(labelSpaceOf(own))),
      ];
    }
    case "spiffe-id":
      return match.pattern.includes("*")
        ? [`domain ${domainOfPattern(match.pattern)}`]
        : [`id ${match.pattern}`, `domain ${domainOfPattern(match.pattern)}`];
    case "trust-domain":
      return [`domain ${match.domain}`];
    default:
      return [];
  }
}

/** Those of an end that exists. */
export const anchorsOfEndpoint = ({ name, namespace, labels, spiffeId, trustDomain }: Endpoint): readonly string[] => [
  `name ${name}`,
  `namespace ${namespace}`,
  ...labelAnchors(Object.entries(labels)),
  `id ${spiffeId}`,
  `domain ${trustDomain}`,
];

const labelAnchors = (labels: readonly (readonly [string, string])[]): readonly string[] =>
  labels.map(([key, value]) => `label ${key}=${value}`);
