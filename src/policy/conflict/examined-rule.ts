/** A rule while it is examined: what is written in it, made comparable, and what was found about it last. */
import type { AccessRule } from "../access/access-rule.ts";
import type { Endpoint } from "../access/endpoint.ts";
import type { PeerMatch } from "../access/peer-match.ts";
import { factsByMatch } from "./anchor.ts";
import { Indexed } from "./cover-index.ts";
import type { Finding } from "./finding.ts";
import { type LiveRule, livingAt, whyNever } from "./rule-cover.ts";
import { placesOf } from "./sample-call.ts";

export class ExaminedRule extends Indexed<ExaminedRule> implements LiveRule {
  readonly rule: AccessRule;
  readonly subject: readonly PeerMatch[];
  readonly peer: readonly PeerMatch[];
  readonly facts: Indexed<ExaminedRule>["facts"];
  /** Why no call can ever match it. */
  readonly never: string | undefined;
  /** In the order in which rules of one direction are asked. */
  position = 0;
  /** Why it matches no call as things are; undefined while it may. */
  why: string | undefined = undefined;
  /** Workloads of the inventory that show that an end is somebody, for each end of which that is known. */
  seen: readonly Endpoint[] = [];
  finding: Finding | undefined = undefined;
  /** That an allow and a deny of one priority meet. */
  clash: Finding | undefined = undefined;
  /** Whether the limit of comparisons was reached while such a deny was looked for. */
  hasMoreClashes = false;
  /** Whether conditions that cannot be compared may hide a finding. */
  isUnknown = false;
  /** Whether the limit of comparisons was reached before it was examined to the end. */
  isIncomplete = false;
  /** Whether what was found depends on `pass` rules. */
  asksPasses = false;

  constructor(rule: AccessRule) {
    super();
    const places = placesOf(rule);
    this.rule = rule;
    this.subject = livingAt(places.subject, rule.subject);
    this.peer = livingAt(places.peer, rule.peer);
    this.facts = { subject: factsByMatch(this.subject), peer: factsByMatch(this.peer) };
    this.never = whyNever(this);
  }
}
