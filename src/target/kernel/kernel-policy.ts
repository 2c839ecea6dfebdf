/** The kernel's policy of one identity in one direction: classes of peers and addresses, and the verdict of each pair of them. */
import type { AccessRule, Direction, Isolation } from "../../policy/access/access-rule.ts";
import { matchesPorts } from "../../policy/access/access-rule.ts";
import { type Answer, conditionAt } from "../../policy/access/condition.ts";
import { decideTiers, hasExpired, isEnforced, type Outcome } from "../../policy/access/decide-access.ts";
import { type Call, type Endpoint, EXTERNAL } from "../../policy/access/endpoint.ts";
import type { Protocol } from "../../resource/port-spec.ts";
import type { KernelSubject } from "./compile-kernel.ts";
import type { IdentityIndex } from "./identity-index.ts";
import { EXTERNAL_IDENTITY, type KernelPolicy, type PortVerdict } from "./kernel-artifact.ts";
import { addressMatches, matchesNode, type NetworkNode } from "./network-node.ts";
import { type PortCell, portCells } from "./port-cells.ts";

export interface PolicyInput {
  readonly direction: Direction;
  readonly endpoint: Endpoint;
  readonly hasUpperLayer: boolean;
  /** Those that speak of the endpoint, in the order of the set. */
  readonly rules: readonly AccessRule[];
  readonly isolations: readonly Isolation[];
  readonly fallback: "allow" | "deny";
  readonly subjects: readonly KernelSubject[];
  readonly index: IdentityIndex;
  readonly nodes: readonly NetworkNode[];
  readonly nowMs: number;
}

export function compileKernelPolicy(input: PolicyInput): KernelPolicy {
  const peers = peerClasses(input);
  const networks = networkClasses(input);
  const verdicts: (readonly PortVerdict[])[] = [];
  for (const peer of peers.representatives) {
    for (const node of networks.representatives) verdicts.push(verdictsOf(input, peer, node));
  }
  return {
    direction: input.direction,
    peerClasses: peers.classes,
    otherPeers: peers.other,
    networkClasses: networks.classes,
    verdicts,
    networkClassCount: networks.representatives.length,
  };
}

interface PeerClasses {
  /** By identity; who is not here is of class `other`. */
  readonly classes: ReadonlyMap<number, number>;
  readonly other: number;
  /** By class. */
  readonly representatives: readonly KernelSubject[];
}

/** Stands for whoever is known and whom no rule means by who they are: only addresses say something of them. */
const STRANGER: KernelSubject = { endpoint: { ...EXTERNAL, kind: "workload" }, hasUpperLayer: false };

/** Two peers are of one class when no rule, no condition and no rollout can tell them apart but by their address. */
function peerClasses({ direction, rules, isolations, subjects, index }: PolicyInput): PeerClasses {
  const found = new Map<string, number>();
  const classes = new Map<number, number>();
  const representatives: KernelSubject[] = [];
  const classOf = (key: string, subject: KernelSubject): number => {
    const known = found.get(key);
    if (known !== undefined) return known;
    found.set(key, representatives.length);
    representatives.push(subject);
    return representatives.length - 1;
  };
  const members = rules.map(({ peer }) => index.matching(peer));
  const meant = new Map<number, number[]>();
  for (const [position, identities] of members.entries()) {
    for (const identity of identities) {
      const list = meant.get(identity);
      if (list === undefined) meant.set(identity, [position]);
      else list.push(position);
    }
  }
  // Rules that an address decides apply to anybody: what else they ask of the peer then matters for everybody.
  const isOpen = rules.map(({ peer }) => addressMatches(peer).length > 0);
  const peerVariable = direction === "ingress" ? "source" : "destination";
  const asksOfPeer = (rule: AccessRule): boolean =>
    rule.when?.variables.has(peerVariable) === true ||
    (direction === "ingress" ? rule.rollout.enforcedPercent < 100 : rule.ports.some(({ kind }) => kind === "named"));
  const isolatesByShare = direction === "ingress" && isolations.some(({ rollout }) => rollout.enforcedPercent < 100);
  // Where a condition is judged above, it matters whether there is anything above.
  const asksAbove = (rule: AccessRule): boolean => direction === "egress" && rule.when !== undefined;
  const concernsAll = isolatesByShare || rules.some((rule, position) => isOpen[position] === true && (asksOfPeer(rule) || asksAbove(rule)));
  const other = classOf("other", STRANGER);
  const keyFor = (identity: number, { endpoint: peer, hasUpperLayer }: KernelSubject): string => {
    const positions = meant.get(identity) ?? [];
    const isAsked = rules.some((rule, position) => (isOpen[position] === true || positions.includes(position)) && asksOfPeer(rule));
    // What conditions see of a peer is all of it; cheaper than to ask each, and right.
    const own = isAsked || isolatesByShare ? [JSON.stringify(peer)] : [];
    return JSON.stringify([positions, identity === EXTERNAL_IDENTITY, direction === "egress" && hasUpperLayer, ...own]);
  };
  const concerned = concernsAll
    ? subjects.keys()
    : [EXTERNAL_IDENTITY, ...[...meant.keys()].filter((identity) => identity !== EXTERNAL_IDENTITY)];
  for (const identity of concerned) {
    const subject = subjects[identity];
    if (subject !== undefined) classes.set(identity, classOf(keyFor(identity, subject), subject));
  }
  return { classes, other, representatives };
}

interface NetworkClasses {
  readonly classes: ReadonlyMap<number, number>;
  readonly representatives: readonly NetworkNode[];
}

/** Two nodes are of one class when every alternative that depends on an address says the same of both. */
function networkClasses({ rules, nodes }: PolicyInput): NetworkClasses {
  const open = [...new Set(rules.flatMap(({ peer }) => addressMatches(peer)))];
  const found = new Map<string, number>();
  const classes = new Map<number, number>();
  const representatives: NetworkNode[] = [];
  for (const [number, node] of nodes.entries()) {
    const key = open
      .map((match) => (matchesNode(match, EXTERNAL, node) ? (matchesNode(match, STRANGER.endpoint, node) ? "a" : "e") : "-"))
      .join("");
    let own = found.get(key);
    if (own === undefined) {
      own = representatives.length;
      found.set(key, own);
      representatives.push(node);
    }
    if (own !== 0) classes.set(number, own);
  }
  return { classes, representatives };
}

function verdictsOf(input: PolicyInput, peer: KernelSubject, node: NetworkNode): readonly PortVerdict[] {
  const { direction, endpoint, rules } = input;
  const [source, destination] = direction === "egress" ? [endpoint, peer.endpoint] : [peer.endpoint, endpoint];
  const relevant = rules.filter(({ peer: matches }) =>
    (peer === STRANGER ? addressMatches(matches) : matches).some((match) => matchesNode(match, peer.endpoint, node)),
  );
  const tiers = {
    deny: relevant.filter(({ tier }) => tier === "deny"),
    admin: relevant.filter(({ tier }) => tier === "admin"),
    access: relevant.filter(({ tier }) => tier === "access"),
    baseline: relevant.filter(({ tier }) => tier === "baseline"),
  };
  const hasUpper = direction === "ingress" ? input.hasUpperLayer : peer.hasUpperLayer;
  const ranges: PortVerdict[] = [];
  const constant = new Map<AccessRule, Answer>();
  for (const cell of portCells(relevant, destination)) {
    const call = callIn(cell, source, destination);
    const answerOf = (rule: AccessRule): Answer => {
      const known = constant.get(rule) ?? ANSWERS.get(rule);
      if (known !== undefined) return known;
      const answer = conditionAt("kernel", rule, call);
      if (!uses(rule, "connection")) (uses(rule, "source") || uses(rule, "destination") ? constant : ANSWERS).set(rule, answer);
      return answer;
    };
    const judge = (isProposal: boolean): { readonly outcome: Outcome; readonly isProvisional: boolean } => {
      const answers = new Map<AccessRule, Answer>();
      const isInForce = ({ rollout }: AccessRule | Isolation): boolean =>
        isProposal ? !hasExpired(rollout, input.nowMs) : isEnforced(rollout, source, input.nowMs);
      const applies = (rule: AccessRule): boolean => {
        if (!isInForce(rule) || !matchesPorts(rule.ports, call)) return false;
        const answer = answerOf(rule);
        answers.set(rule, answer);
        return answer === "unknown" ? (rule.action === "deny") !== hasUpper : answer === "yes";
      };
      const outcome = decideTiers(tiers, input.isolations, { direction, applies, isolates: isInForce, fallback: input.fallback });
      return { outcome, isProvisional: outcome.verdict === "allow" && [...answers.values()].includes("unknown") };
    };
    const { outcome, isProvisional } = judge(false);
    const proposed = outcome.verdict === "allow" ? judge(true).outcome : outcome;
    const audited = outcome.verdict === "allow" && proposed.verdict === "deny" ? proposed.ground : undefined;
    append(ranges, { ...cell, ...outcome, audited, isProvisional });
  }
  return ranges;
}

/** Of conditions that ask nothing that the kernel knows: the same for every call. */
const ANSWERS = new WeakMap<AccessRule, Answer>();

const uses = ({ when }: AccessRule, variable: string): boolean => when?.variables.has(variable) === true;

const NO_ADDRESS = new Uint8Array(4);

/** Any call of the cell: the kernel sees no more of it than all calls of the cell have in common. */
const callIn = ({ protocol, first }: PortCell, source: Endpoint, destination: Endpoint): Call => ({
  source,
  destination,
  sourceAddress: NO_ADDRESS,
  destinationAddress: NO_ADDRESS,
  destinationNames: [],
  protocol,
  port: first,
  request: undefined,
  claims: {},
  tenant: "",
  permissions: [],
});

/** Adds a range, or makes the last one longer where nothing changes. */
function append(ranges: PortVerdict[], next: PortVerdict): void {
  const last = ranges.at(-1);
  const key = ({ protocol, verdict, ground, audited, isProvisional }: PortVerdict): string =>
    JSON.stringify([protocol satisfies Protocol, verdict, ground, audited, isProvisional]);
  if (last !== undefined && last.last + 1 === next.first && key(last) === key(next))
    ranges[ranges.length - 1] = { ...last, last: next.last };
  else ranges.push(next);
}
