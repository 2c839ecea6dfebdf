/** Which DNS names workloads may ask for: rules that nobody can judge but who reads their questions. */
import type { PortSpec } from "../../resource/port-spec.ts";
import type { PolicyOrigin, Rollout } from "./access-rule.ts";
import type { PeerMatch } from "./peer-match.ts";

/** An allow of the access tier for questions; it grants no packet. */
export interface NameRule {
  readonly origin: PolicyOrigin;
  /** Who asks. */
  readonly subject: readonly PeerMatch[];
  /** Whom they may ask; undefined: the resolvers that this host trusts. */
  readonly resolvers: readonly PeerMatch[] | undefined;
  /** Of the resolver. */
  readonly ports: readonly PortSpec[];
  /** As `matchesDnsName` takes them. */
  readonly patterns: readonly string[];
  readonly rollout: Rollout;
}
