/** The agent in numbers, for Prometheus. */
import { Counter, exposeMetrics, gauge, Histogram, type Metric } from "../../lib/prometheus.ts";
import type { Agent } from "./agent.ts";
import type { AgentEvent } from "./agent-event.ts";

const LATENCY_BOUNDS = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 1];

export class AgentMetrics {
  readonly #calls = new Counter({ name: "vigil_agent_calls_total", help: "Calls of workloads that have ended." }, ["method", "status"]);
  readonly #latency = new Histogram({ name: "vigil_agent_call_seconds", help: "How long unary calls took." }, ["method"], LATENCY_BOUNDS);
  readonly #events = new Counter({ name: "vigil_agent_events_total", help: "What the agent told of." }, ["kind"]);
  #metrics: readonly Metric[] = [this.#calls, this.#latency, this.#events];

  /** Adds what is read from the agent when it is asked for. */
  observe(agent: Agent): void {
    const value = (name: string, help: string, read: () => number | undefined): Metric =>
      gauge({ name, help }, () => {
        const number = read();
        return number === undefined ? [] : [{ value: number }];
      });
    this.#metrics = [
      ...this.#metrics,
      value("vigil_agent_authority_connected", "1 while the authority is in reach.", () => (agent.link.state === "connected" ? 1 : 0)),
      value("vigil_agent_identity_minutes_left", "Until the first of the held X.509-SVIDs expires.", () => {
        const expiryMs = agent.x509.firstExpiryMs();
        return expiryMs === undefined ? undefined : Math.max(0, (expiryMs - agent.clock()) / 60_000);
      }),
      value("vigil_agent_entries", "Workloads that the agent may serve.", () => agent.state.entryCount),
      value("vigil_agent_identities", "X.509-SVIDs that are held.", () => agent.x509.size),
      value("vigil_agent_tokens", "JWT-SVIDs that are held.", () => agent.jwt.size),
      value("vigil_agent_subscribers", "Open streams of workloads.", () => agent.watchers.size),
    ];
  }

  ended(method: string, status: string, durationMs: number, isUnary: boolean): void {
    this.#calls.increment(method, status);
    if (isUnary) this.#latency.observe(durationMs / 1_000, method);
  }

  told({ kind }: AgentEvent): void {
    this.#events.increment(kind);
  }

  expose(): string {
    return exposeMetrics(this.#metrics);
  }
}
