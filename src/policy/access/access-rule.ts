/** Rules: what every kind of access and network policy becomes, so that one evaluator decides over all of them. */
import type { Program } from "../../cel/program.ts";
import type { Expression } from "../../resource/expression.ts";
import { MAX_PORT, type PortSpec, type Protocol } from "../../resource/port-spec.ts";
import type { Connection } from "./endpoint.ts";
import type { NameRule } from "./name-rule.ts";
import type { PeerMatch } from "./peer-match.ts";

/**
 * In the order in which they are asked: explicit denies, the administrator's rules, the allows of applications (with default deny for
 * who is selected), the administrator's baseline. What none of them decides is left to the default of the trust domain.
 */
export const TIERS = ["deny", "admin", "access", "baseline"] as const;
export type Tier = (typeof TIERS)[number];
export type Direction = "ingress" | "egress";

export interface PolicyOrigin {
  /** As people name it: `AccessPolicy shop/payments-callers`. */
  readonly policy: string;
  /** Which of its rules: `egress[2] "to the bank"`, or empty where it has one. */
  readonly rule: string;
  /** `file:line:column`. */
  readonly source: string;
}

export interface AccessRule {
  readonly origin: PolicyOrigin;
  readonly tier: Tier;
  /** Of the admin and baseline tiers: the lower is asked first. 0 elsewhere. */
  readonly priority: number;
  /** Position inside its policy: of its rules the first that matches counts (admin and baseline tiers). */
  readonly order: number;
  readonly direction: Direction;
  /** `pass` leaves the admin tier. */
  readonly action: "allow" | "deny" | "pass";
  /** Whose traffic is judged: the destination for ingress, the source for egress. */
  readonly subject: readonly PeerMatch[];
  /** The other end. */
  readonly peer: readonly PeerMatch[];
  /** Empty: everything. */
  readonly ports: readonly PortSpec[];
  readonly when: Condition | undefined;
  readonly rollout: Rollout;
}

/** A condition that is more than who, whom and where. */
export interface Condition {
  readonly expression: Expression;
  readonly program: Program;
  /** Names of the variables that it uses. */
  readonly variables: ReadonlySet<string>;
  /** What it reads of `request`, such as `method`; `request` itself where it does not say what. */
  readonly requestFields: ReadonlySet<string>;
  /** Whether the port is only compared with literals, so that a layer that enumerates ports can decide it. */
  readonly isPortComparable: boolean;
  /** Ports from which on a comparison may answer differently. */
  readonly portBoundaries: readonly number[];
}

/** For whom a rule is in force. */
export interface Rollout {
  /** 0 to 100: the share of peers for which it is enforced; the others are audited. */
  readonly enforcedPercent: number;
  readonly expiresAtMs: number | undefined;
}

export const IN_FORCE: Rollout = { enforcedPercent: 100, expiresAtMs: undefined };

/** Whoever is meant by `subject` is default-deny in that direction: what no rule of the access tier allows is denied. */
export interface Isolation {
  readonly origin: PolicyOrigin;
  readonly direction: Direction;
  readonly subject: readonly PeerMatch[];
  readonly rollout: Rollout;
}

/** Calls that are only reported. */
export type Watch = Pick<AccessRule, "origin" | "direction" | "subject" | "peer" | "ports" | "when" | "rollout">;

/** What one resource contributes. */
export interface RulesOfPolicy {
  readonly rules: readonly AccessRule[];
  readonly isolations: readonly Isolation[];
  readonly watches: readonly Watch[];
  readonly nameRules: readonly NameRule[];
}

const isIcmp = (protocol: Protocol): boolean => protocol === "icmp" || protocol === "icmpv6";

export const matchesPorts = (ports: readonly PortSpec[], connection: Connection): boolean =>
  ports.length === 0 || ports.some((spec) => matchesPort(spec, connection));

function matchesPort(spec: PortSpec, { protocol, port, destination }: Connection): boolean {
  if (spec.protocol !== "any" && spec.protocol !== protocol) return false;
  if (spec.kind === "named")
    return destination.namedPorts.some((named) => named.name === spec.name && named.protocol === protocol && named.port === port);
  // Types of ICMP are no ports: of all protocols only all ports include them.
  if (spec.protocol === "any" && isIcmp(protocol)) return spec.first === 0 && spec.last === MAX_PORT;
  return spec.first <= port && port <= spec.last;
}
