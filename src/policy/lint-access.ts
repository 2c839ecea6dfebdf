/** What is allowed to write in an access policy, and is hardly meant: it says nothing, or something that nobody enforces. */
import { PER_CALL_LIMIT } from "../cel/frame.ts";
import { partialEvaluate } from "../cel/partial/partial-evaluate.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { AccessPeer, AccessPolicy } from "../resource/access-policy.ts";
import { type AccessResource, isPolicy } from "../resource/access-resource.ts";
import { diagnose, type Path } from "../resource/document.ts";
import type { PortSpec } from "../resource/port-spec.ts";
import { ACCESS_TYPES, knowledgeOf } from "./access/access-environment.ts";
import type { AccessRule, Condition } from "./access/access-rule.ts";
import { type AccessSet, compileAccessSet } from "./access/access-set.ts";
import type { Endpoint } from "./access/endpoint.ts";
import { matchesAny, matchesSpiffeId, type PeerMatch } from "./access/peer-match.ts";
import { conditionSpace, isNever } from "./conflict/condition-space.ts";
import { selects } from "./label-match.ts";

/** Codes of findings; each is a row in ERRORS.md. */
export type AccessLintCode = "ACCESS_NOBODY" | "ACCESS_EXPIRED" | "ACCESS_NEVER" | "ACCESS_UNENFORCED" | "ACCESS_SERVICE_UNKNOWN";

export interface LintedWorld {
  /** Workloads that are known; empty: then nothing is said of selectors. */
  readonly workloads: readonly Endpoint[];
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

/** Warnings about policies that are without mistakes, in the order of the resources. */
export function lintAccess(resources: readonly AccessResource[], world: LintedWorld): readonly Diagnostic[] {
  const beside = resources.filter((resource) => !isPolicy(resource));
  return resources.filter(isPolicy).flatMap((resource) => {
    const { set } = compileAccessSet([resource, ...beside]);
    const warn = (path: Path, code: AccessLintCode, message: string, hint: string): Diagnostic =>
      diagnose(resource.document, path, { code, message, hint, severity: "warning" });
    return [
      ...(resource.kind === "AccessPolicy" ? lintPolicy(resource, world, warn) : lintSelectors(resource, set, world, warn)),
      ...lintConditions(set, warn),
    ];
  });
}

type Warn = (path: Path, code: AccessLintCode, message: string, hint: string) => Diagnostic;

function lintPolicy(policy: AccessPolicy, { workloads, nowMs }: LintedWorld, warn: Warn): readonly Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const field of ["to", "from"] as const) {
    for (const [index, peer] of policy[field].entries()) {
      if (!isNobody(peer, policy, workloads)) continue;
      found.push(warn(["spec", field, index], "ACCESS_NOBODY", `\`spec.${field}[${index}]\` means no workload that is known`, NOBODY));
    }
  }
  const { expiresAtMs } = policy;
  if (expiresAtMs !== undefined && expiresAtMs <= nowMs) {
    const rest = policy.action === "Allow" ? "; whom it names stays default-deny" : "";
    const message = `the policy has expired on ${new Date(expiresAtMs).toISOString()}, and ${policy.action === "Allow" ? "allows" : "denies"} nothing`;
    found.push(warn(["spec", "expiresAt"], "ACCESS_EXPIRED", message, `remove it, or give it another time${rest}`));
  }
  return found;
}

const NOBODY = "see `vigil identity list` for names and labels; it will mean those that come later";

function isNobody(peer: AccessPeer, { metadata }: AccessPolicy, workloads: readonly Endpoint[]): boolean {
  if (workloads.length === 0) return false;
  // An ID that a template makes is not known from the files.
  const areIdsKnown = workloads.every(({ spiffeId }) => spiffeId !== "");
  switch (peer.kind) {
    case "workload": {
      const namespace = peer.namespace ?? metadata.namespace;
      return !workloads.some(
        (known) =>
          (namespace === "" || namespace === "*" || namespace === known.namespace) &&
          (peer.name === undefined || peer.name === known.name) &&
          selects(peer.labels, known.labels),
      );
    }
    case "spiffe-id":
      return areIdsKnown && !workloads.some(({ spiffeId }) => matchesSpiffeId(peer.pattern, spiffeId));
    case "network":
    case "dns":
    case "entity":
    case "trust-domain":
      return false;
    default:
      return peer satisfies never;
  }
}

const ABOUT_WORKLOADS: ReadonlySet<PeerMatch["kind"]> = new Set(["workload", "security-labels"]);

/** Of network policies: whom they select, and whom their rules name. */
function lintSelectors(resource: AccessResource, set: AccessSet, { workloads }: LintedWorld, warn: Warn): readonly Diagnostic[] {
  const found = new Map<string, Diagnostic>();
  const isMissed = (matches: readonly PeerMatch[]): boolean =>
    workloads.length > 0 &&
    matches.length > 0 &&
    matches.every(({ kind }) => ABOUT_WORKLOADS.has(kind)) &&
    !workloads.some((endpoint) => matchesAny(matches, { endpoint, address: NO_ADDRESS, names: [] }));
  const note = (key: string, path: Path, message: string): void => {
    if (!found.has(key)) found.set(key, warn(path, "ACCESS_NOBODY", message, NOBODY));
  };
  const rules = (["ingress", "egress"] as const).flatMap((direction) => Object.values(set.rules[direction]).flat());
  for (const { origin, subject, peer } of rules) {
    if (isMissed(subject)) note("subject", ["spec"], "the policy selects no workload that is known");
    if (isMissed(peer)) note(origin.rule, ["spec"], `\`${origin.rule || "the rule"}\` names no workload that is known`);
  }
  if (resource.kind === "CiliumNetworkPolicy" || resource.kind === "CiliumClusterwideNetworkPolicy") {
    for (const spec of resource.specs) {
      for (const { peers = [], field, index } of spec.rules) {
        for (const peer of peers) {
          if (peer.kind !== "service" || isServiceKnown(set, `${field}[${index}]`)) continue;
          const message = `\`toServices\` names the Service \`${peer.name}\`, which is not among the files, so that the rule means nobody`;
          const hint = "keep the Service, and its EndpointSlices where it has no selector, beside the policies";
          found.set(`service ${peer.name}`, warn([...spec.path, field, index], "ACCESS_SERVICE_UNKNOWN", message, hint));
        }
      }
    }
  }
  return [...found.values()];
}

const NO_ADDRESS = new Uint8Array();

/** A rule whose services are not known has nobody as its peer. */
const isServiceKnown = (set: AccessSet, rule: string): boolean =>
  Object.values(set.rules.egress)
    .flat()
    .some(({ origin, peer }) => origin.rule.includes(rule) && peer.length > 0);

function lintConditions(set: AccessSet, warn: Warn): readonly Diagnostic[] {
  const found = new Map<Condition, Diagnostic>();
  const rules = (["ingress", "egress"] as const).flatMap((direction) => Object.values(set.rules[direction]).flat());
  for (const rule of rules) {
    const { when } = rule;
    if (when === undefined || found.has(when)) continue;
    const what = rule.action === "deny" ? "denies" : "allows";
    const space = conditionSpace(when);
    if ((space !== undefined && isNever(space)) || isConstantlyFalse(when))
      found.set(
        when,
        warn(["spec", "when"], "ACCESS_NEVER", `\`when\` never holds, so that the policy ${what} nothing`, "see what it asks for"),
      );
    else if (isUnenforced(rule, when)) {
      const message = `\`when\` asks for what nobody sees of these calls, so that the policy ${rule.action === "deny" ? "denies all of them" : "allows none"}`;
      const hint = "requests, claims and permissions are seen by the process that is called, or a proxy before it: of workloads, by TCP";
      found.set(when, warn(["spec", "when"], "ACCESS_UNENFORCED", message, hint));
    }
  }
  return [...found.values()];
}

/** False whatever the call is. */
function isConstantlyFalse({ program }: Condition): boolean {
  const { known, unknown } = knowledgeOf("kernel");
  const outcome = partialEvaluate(program.checked, {
    known: {},
    unknown: [...known, ...unknown],
    types: ACCESS_TYPES,
    costLimit: PER_CALL_LIMIT,
  });
  return outcome.kind === "value" && outcome.value !== true;
}

const ABOVE: readonly string[] = ["request", "claims", "tenant", "permissions", "roles"];
const isTcp = ({ protocol }: PortSpec): boolean => protocol === "tcp" || protocol === "any";

/** Whether the condition needs a layer that such calls never pass: those that leave for who is no workload, and those without TCP. */
function isUnenforced({ direction, ports, peer }: AccessRule, { variables }: Condition): boolean {
  if (!ABOVE.some((name) => variables.has(name))) return false;
  const leaves =
    direction === "egress" && peer.every(({ kind }) => kind === "network" || kind === "dns" || kind === "world" || kind === "host");
  return leaves || (ports.length > 0 && !ports.some(isTcp));
}
