/** An access policy in words: each rule, and each part of its condition with the lowest layer that can decide it, and why not a lower one. */
import type { Expr } from "../../cel/ast.ts";
import { walk } from "../../cel/traversal.ts";
import { unparse } from "../../cel/unparse.ts";
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { formatIpPrefix } from "../../lib/ip-network.ts";
import { type AccessResource, isPolicy } from "../../resource/access-resource.ts";
import type { LabelSelector } from "../../resource/label-selector.ts";
import { formatPortSpec } from "../../resource/port-spec.ts";
import { knowledgeOf, LAYERS, type Layer } from "./access-environment.ts";
import { type AccessRule, type Direction, type Rollout, TIERS } from "./access-rule.ts";
import { compileAccessSet } from "./access-set.ts";
import type { NamespaceMatch, PeerMatch } from "./peer-match.ts";
import { isPortComparable } from "./port-condition.ts";

export interface ExplainedAccess {
  readonly rules: readonly ExplainedRule[];
  /** Who is default-deny because of it, in words. */
  readonly isolations: readonly string[];
  /** Questions for DNS names that it lets through, in words. */
  readonly lookups: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

export interface ExplainedRule {
  /** Empty where the policy has one rule. */
  readonly name: string;
  readonly action: AccessRule["action"];
  readonly direction: Direction;
  readonly tier: AccessRule["tier"];
  /** Whose calls are judged, the other ends and the ports, in words. */
  readonly subject: string;
  readonly peer: string;
  readonly ports: string;
  /** In words; empty for a rule that is in force for everybody and for ever. */
  readonly rollout: string;
  /** All must hold. */
  readonly conjuncts: readonly ExplainedConjunct[];
  /** What becomes of it in the kernel. */
  readonly inKernel: string;
}

export interface ExplainedConjunct {
  readonly text: string;
  readonly layer: Layer;
  /** What the layer below does not know; empty for the kernel. */
  readonly because: string;
}

/** `beside` may hold the Services that a policy of Cilium names; other policies there change nothing. */
export function explainAccess(resource: AccessResource, beside: readonly AccessResource[] = []): ExplainedAccess {
  const { set, diagnostics } = compileAccessSet([resource, ...beside.filter((other) => other !== resource && !isPolicy(other))]);
  const rules = (["ingress", "egress"] as const).flatMap((direction) => TIERS.flatMap((tier) => set.rules[direction][tier]));
  return {
    rules: rules.map(explainRule),
    isolations: (["ingress", "egress"] as const).flatMap((direction) =>
      set.isolations[direction].map(({ subject, rollout }) =>
        [`${matchesText(subject)}, ${direction}`, rolloutText(rollout)].filter(Boolean).join(", "),
      ),
    ),
    lookups: set.nameRules.map(
      ({ subject, resolvers, patterns }) =>
        `${matchesText(subject)}, ${patterns.join(", ")}, from ${resolvers === undefined ? "the resolvers of this host" : matchesText(resolvers)}`,
    ),
    diagnostics,
  };
}

function explainRule({ origin, action, direction, tier, subject, peer, ports, when, rollout }: AccessRule): ExplainedRule {
  const conjuncts = when === undefined ? [] : conjunctsOf(when.program.checked.root).map(explainConjunct);
  return {
    name: origin.rule,
    action,
    direction,
    tier,
    subject: matchesText(subject),
    peer: matchesText(peer),
    ports: ports.length === 0 ? "every port" : ports.map(formatPortSpec).join(", "),
    rollout: rolloutText(rollout),
    conjuncts,
    inKernel: inKernel(action, conjuncts),
  };
}

function inKernel(action: AccessRule["action"], conjuncts: readonly ExplainedConjunct[]): string {
  if (conjuncts.every(({ layer }) => layer === "kernel")) return "decided there as a whole";
  return action === "deny"
    ? "left out: a layer above denies, or, where none is, the kernel denies all that might be meant"
    : "lets through what may hold, only where a layer above decides the rest; elsewhere it grants nothing";
}

/** The parts that all must hold, in the order in which they are written. */
function conjunctsOf(expr: Expr): readonly Expr[] {
  return expr.kind === "call" && expr.fn === "_&&_" ? expr.args.flatMap(conjunctsOf) : [expr];
}

function explainConjunct(expr: Expr): ExplainedConjunct {
  const names = namesOf(expr);
  let layer: Layer = "kernel";
  let because = "";
  for (const candidate of LAYERS) {
    const { unknown } = knowledgeOf(candidate);
    const missing = [...names].filter((name) => unknown.some((each) => name === each || name.startsWith(`${each}.`)));
    const computes = candidate === "kernel" && !isPortComparable(expr);
    layer = candidate;
    if (missing.length === 0 && !computes) break;
    because = [
      ...(missing.length === 0 ? [] : [`the ${candidate} does not see ${missing.map((name) => `\`${name}\``).join(", ")}`]),
      ...(computes ? ["the kernel looks ports up, and does not compute with them"] : []),
    ].join("; ");
  }
  return { text: unparse(expr), layer, because };
}

/** Variables, with their field where they have one: `connection.port`, `request.method`, `tenant`. */
function namesOf(root: Expr): ReadonlySet<string> {
  const names = new Set<string>();
  const selected = new Set<Expr>();
  walk(root, (expr) => {
    if (expr.kind === "select" && expr.operand.kind === "ident") {
      names.add(`${expr.operand.name}.${expr.field}`);
      selected.add(expr.operand);
    } else if (expr.kind === "ident" && !selected.has(expr)) names.add(expr.name);
  });
  return names;
}

const matchesText = (matches: readonly PeerMatch[]): string => matches.map(matchText).join(" or ") || "nobody";

function matchText(match: PeerMatch): string {
  switch (match.kind) {
    case "any":
      return "anybody";
    case "known":
      return "anybody who is known";
    case "workload":
      return ["workload", match.name, labelsText(match.labels), namespaceText(match.namespace)].filter(Boolean).join(" ");
    case "node":
      return ["node", labelsText(match.labels)].filter(Boolean).join(" ");
    case "host":
      return "this host";
    case "remote-node":
      return "another node";
    case "security-labels":
      return ["workload", labelsText(match.selector)].filter(Boolean).join(" ");
    case "world":
      return match.family === undefined ? "the world" : `the world by IPv${match.family}`;
    case "spiffe-id":
      return match.pattern;
    case "trust-domain":
      return `trust domain ${match.domain}`;
    case "network": {
      const except = match.except.length === 0 ? "" : ` but ${match.except.map(formatIpPrefix).join(", ")}`;
      return `${formatIpPrefix(match.prefix)}${except}${match.scope === "external" ? " outside" : ""}`;
    }
    case "dns":
      return `name ${match.pattern}`;
    default:
      return match satisfies never;
  }
}

function labelsText({ matchLabels, matchExpressions }: LabelSelector): string {
  const all = [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(({ key, operator, values }) => `${key} ${operator}${values.length === 0 ? "" : ` (${values.join(", ")})`}`),
  ];
  return all.length === 0 ? "" : `with ${all.join(", ")}`;
}

function namespaceText(match: NamespaceMatch): string {
  if (match.kind === "any") return "";
  return match.kind === "name" ? `in ${match.name}` : ["in namespaces", labelsText(match.selector)].filter(Boolean).join(" ");
}

function rolloutText({ enforcedPercent, expiresAtMs }: Rollout): string {
  const share = enforcedPercent === 100 ? "" : enforcedPercent === 0 ? "audited only" : `enforced for ${enforcedPercent} % of sources`;
  const end = expiresAtMs === undefined ? "" : `until ${new Date(expiresAtMs).toISOString()}`;
  return [share, end].filter(Boolean).join(", ");
}
