/** What the authority does, as events and lines of the log. */

import type { ActionFields, DecisionFields } from "../../event/producer.ts";
import type { CommandNews } from "../../identity/authority/admin-service.ts";
import type { AuthorityNews } from "../../identity/authority/authority-set.ts";
import type { IssuanceNews } from "../../identity/authority/svid-issuer.ts";
import type { FederationNews } from "../../identity/federation/federation.ts";
import { messageOf, type VigilError } from "../../lib/error.ts";
import type { EventForwarder } from "../event-forwarder.ts";
import type { Log } from "../log.ts";

export class AuthorityAudit {
  readonly #events: EventForwarder;
  readonly #log: Log;
  readonly #policy: string;

  constructor(events: EventForwarder, log: Log, trustDomain: string) {
    this.#events = events;
    this.#log = log;
    this.#policy = `TrustDomain/${trustDomain}`;
  }

  issuance({ kind, requester, spiffeId, refusal, rule, what, authorityId }: IssuanceNews): void {
    const decision: DecisionFields = {
      point: "identity",
      verdict: refusal === undefined ? "allow" : rule?.isError === true ? "error" : "deny",
      mode: "enforce",
      policy: this.#policy,
      policyDigest: "",
      rule: rule?.rule ?? "",
      reasonCode: refusal?.code ?? "",
      action: `issue ${kind}`,
      object: spiffeId,
      message: refusal?.message ?? what,
      latencyUs: 0,
      evidence: authorityId === "" ? [] : [{ expression: "authority", value: JSON.stringify(authorityId) }],
      source: rule?.source ?? "",
      subject: requester.name,
      severity: refusal === undefined ? 1 : 3,
    };
    this.#events.decided(decision);
  }

  authority({ action, record, message, isOnly }: AuthorityNews): void {
    const { id, kind } = record;
    // The first authorities of an installation are no news; the events keep them all the same.
    if (!isOnly || action === "lose key")
      this.#log(action === "lose key" ? "error" : "info", `${action} ${kind} authority: ${message}`, { id });
    this.#act(`${action} authority`, `${kind} ${id}`, message, action === "lose key" ? 4 : 2);
  }

  federation({ trustDomain, kind, message }: FederationNews): void {
    this.#log(kind === "failure" ? "warning" : "info", `federation with ${trustDomain}: ${message}`);
    this.#act("federate", trustDomain, message, kind === "failure" ? 3 : 1, kind === "failure" ? "failed" : "done");
  }

  command({ requester, action, object, message }: CommandNews): void {
    this.#act(action, object, message, action === "deny" ? 3 : 2, "done", requester.name);
  }

  attestation(agentId: string | undefined, refusal: VigilError | undefined): void {
    if (refusal === undefined) this.#act("attest node", agentId ?? "", "the node is attested", 1);
    else {
      this.#log("warning", `a node was refused: ${refusal.message}`, { code: refusal.code });
      this.#act("attest node", "", `${refusal.code}: ${refusal.message}`, 3, "refused");
    }
  }

  lostAgent(agentId: string, message: string, error: unknown): void {
    if (error === undefined) this.#log("warning", `the agent ${agentId} is lost: ${message}`);
    else this.#log("error", `the agent ${agentId} is lost and cannot be denied: ${messageOf(error)}; it is tried again`);
    this.#act("deny", agentId, message, 4, error === undefined ? "done" : "failed");
  }

  act(
    action: string,
    object: string,
    message: string,
    severity: ActionFields["severity"],
    outcome: ActionFields["outcome"] = "done",
  ): void {
    this.#act(action, object, message, severity, outcome);
  }

  #act(
    action: string,
    object: string,
    message: string,
    severity: ActionFields["severity"],
    outcome: ActionFields["outcome"] = "done",
    subject: string = "vigil",
  ): void {
    this.#events.acted({ action, object, outcome, message, subject, severity });
  }
}
