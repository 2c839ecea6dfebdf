/** Facts by which matches are found again: what every end that a match means has in common. */
import type { LabelSelector } from "../../resource/label-selector.ts";
import type { Endpoint } from "../access/endpoint.ts";
import type { PeerMatch } from "../access/peer-match.ts";
import { selectorParts } from "../access/security-labels.ts";
import { fixedLabels, isPlain, labelSpaceOf } from "./label-space.ts";
import { domainOfPattern } from "./name-pattern.ts";

const NAME = Symbol("name");
const NAMESPACE = Symbol("namespace");
const ID = Symbol("SPIFFE ID");
const DOMAIN = Symbol("trust domain");

/** The key of a label, or one of what every end has. */
export type Attribute = string | symbol;

/** A match has at most one value of an attribute, so that two matches with different values of one exclude each other. */
export type Fact = readonly [attribute: Attribute, value: string];
export type Facts = readonly Fact[];

/**
 * INVARIANT: when `outer` covers `inner`, each fact of `outer` is one of `inner`; when a match means an end, each of its facts is one of
 * the end. So whoever covers a match is found under one of the facts of that match, or has none.
 */
export function factsOf(match: PeerMatch): Facts {
  switch (match.kind) {
    case "workload": {
      const facts: Fact[] = labelFacts(match.labels);
      if (match.name !== undefined) facts.push([NAME, match.name]);
      if (match.namespace.kind === "name") facts.push([NAMESPACE, match.namespace.name]);
      return facts;
    }
    case "security-labels": {
      const { own, namespace } = selectorParts(match.selector);
      const named = fixedLabels(labelSpaceOf(namespace)).map(([, name]): Fact => [NAMESPACE, name]);
      return [...named, ...labelFacts(own)];
    }
    case "spiffe-id": {
      const domain: Fact = [DOMAIN, domainOfPattern(match.pattern)];
      return match.pattern.includes("*") ? [domain] : [[ID, match.pattern], domain];
    }
    case "trust-domain":
      return [[DOMAIN, match.domain]];
    default:
      return [];
  }
}

/** Of most selectors, which name values and nothing else, without making a space of them. */
const labelFacts = (selector: LabelSelector): Fact[] =>
  isPlain(selector) ? Object.entries(selector.matchLabels) : [...fixedLabels(labelSpaceOf(selector))];

/** Those of the alternatives of one end, made once: rules and isolations of a policy share them. */
export function factsByMatch(matches: readonly PeerMatch[]): readonly Facts[] {
  const known = FACTS.get(matches);
  if (known !== undefined) return known;
  const facts = matches.map(factsOf);
  FACTS.set(matches, facts);
  return facts;
}
const FACTS = new WeakMap<readonly PeerMatch[], readonly Facts[]>();

/** Those of an end that exists. Of a SPIFFE ID also the domain that it names, whatever domain the end is said to be of. */
export function factsOfEndpoint({ name, namespace, labels, spiffeId, trustDomain }: Endpoint): Facts {
  const facts: Fact[] = Object.entries(labels);
  facts.push([NAME, name], [NAMESPACE, namespace]);
  if (spiffeId !== "") facts.push([ID, spiffeId], [DOMAIN, domainOfPattern(spiffeId)]);
  if (trustDomain !== "") facts.push([DOMAIN, trustDomain]);
  return facts;
}

/** What an end has of an attribute, where it has one value of it; undefined where it has none or perhaps two. */
export function valueOfEndpoint({ name, namespace, labels, spiffeId }: Endpoint, attribute: Attribute): string | undefined {
  if (typeof attribute === "string") return Object.hasOwn(labels, attribute) ? labels[attribute] : undefined;
  return attribute === NAME ? name : attribute === NAMESPACE ? namespace : attribute === ID ? spiffeId : undefined;
}

/** Whether `valueOfEndpoint` tells the value of it. */
export const isSingleValued = (attribute: Attribute): boolean => attribute !== DOMAIN;

export type Side = "subject" | "peer";
