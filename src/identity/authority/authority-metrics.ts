/** The authority in numbers, for Prometheus. */
import type { GrpcStatusName } from "../../grpc/status.ts";
import { Counter, exposeMetrics, gauge, type Metric } from "../../lib/prometheus.ts";
import type { Authority } from "./authority.ts";
import { AUTHORITY_KINDS } from "./authority-record.ts";
import type { AuthorityNews } from "./authority-set.ts";
import type { ConnectedAgents } from "./connected-agents.ts";
import type { IssuanceNews } from "./svid-issuer.ts";

export class AuthorityMetrics {
  readonly #issued = new Counter({ name: "vigil_authority_issued_total", help: "SVIDs and certificates that were issued." }, ["kind"]);
  readonly #refused = new Counter(
    { name: "vigil_authority_refused_total", help: "SVIDs and certificates that were refused, by the code of the reason." },
    ["kind", "reason"],
  );
  readonly #calls = new Counter({ name: "vigil_authority_calls_total", help: "Calls that have ended." }, ["method", "status"]);
  readonly #attestations = new Counter({ name: "vigil_authority_attestations_total", help: "Nodes that showed who they are." }, [
    "outcome",
  ]);
  readonly #changes = new Counter({ name: "vigil_authority_changes_total", help: "Changes of authorities." }, ["action", "kind"]);
  readonly #unwritten = new Counter({ name: "vigil_authority_journal_failures_total", help: "Changes that could not be written." }, []);
  #metrics: readonly Metric[] = [this.#issued, this.#refused, this.#calls, this.#attestations, this.#changes, this.#unwritten];

  /** Adds what is read when it is asked for. */
  observe(authority: Authority, connected: ConnectedAgents, nowMs: () => number): void {
    const value = (name: string, help: string, read: () => number): Metric => gauge({ name, help }, () => [{ value: read() }]);
    this.#metrics = [
      ...this.#metrics,
      gauge({ name: "vigil_authority_expiry_seconds", help: "Until the authority that signs now expires." }, () =>
        AUTHORITY_KINDS.flatMap((kind) => {
          const active = authority.authorities.records.find((record) => record.kind === kind && record.phase === "active");
          return active === undefined ? [] : [{ labels: { kind }, value: Math.max(0, Math.floor((active.notAfterMs - nowMs()) / 1000)) }];
        }),
      ),
      value("vigil_authority_entries", "Workloads that are registered.", () => authority.registrations.entries.size),
      value("vigil_authority_refused_entries", "Workloads that rules refuse.", () => authority.registrations.refused.length),
      value("vigil_authority_agents", "Agents that follow the authority now.", () => connected.count),
      value("vigil_authority_denied", "Identities, serial numbers and authorities that are denied.", () => {
        const { spiffeIds, serials, authorityIds } = authority.shared.denials;
        return spiffeIds.size + serials.size + authorityIds.size;
      }),
      value("vigil_authority_bundle_sequence", "Counts changes of the trust bundle.", () => Number(authority.journal.state.sequence)),
    ];
  }

  issuance({ kind, refusal }: Pick<IssuanceNews, "kind" | "refusal">): void {
    if (refusal === undefined) this.#issued.increment(kind);
    else this.#refused.increment(kind, refusal.code);
  }

  changed({ action, record }: AuthorityNews): void {
    this.#changes.increment(action, record.kind);
  }

  attested(outcome: "attested" | "refused"): void {
    this.#attestations.increment(outcome);
  }

  ended(method: string, status: GrpcStatusName): void {
    this.#calls.increment(method, status);
  }

  unwritten(): void {
    this.#unwritten.increment();
  }

  expose(): string {
    return exposeMetrics(this.#metrics);
  }
}
