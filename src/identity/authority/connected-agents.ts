/** The agents that follow the authority's state now, each by as many streams as it has, and those that no longer do. */

/** Of those that have left, so many are remembered. */
const MAX_AWAY = 10_000;

export class ConnectedAgents {
  readonly #nowMs: () => number;
  readonly #streams = new Map<string, number>();
  /** When they left; the first to leave first. */
  readonly #away = new Map<string, number>();

  /** `nowMs`: Date.now unless given. */
  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
  }

  /** One stream more; returns what ends it. */
  join(agentId: string): () => void {
    this.#away.delete(agentId);
    this.#streams.set(agentId, (this.#streams.get(agentId) ?? 0) + 1);
    let hasLeft = false;
    return () => {
      if (hasLeft) return;
      hasLeft = true;
      const left = (this.#streams.get(agentId) ?? 0) - 1;
      if (left > 0) this.#streams.set(agentId, left);
      else this.#leave(agentId);
    };
  }

  get count(): number {
    return this.#streams.size;
  }

  /** Those that left before that moment and have not come back. */
  awaySince(beforeMs: number): readonly string[] {
    return [...this.#away].filter(([, sinceMs]) => sinceMs <= beforeMs).map(([agentId]) => agentId);
  }

  /** One that is away is waited for no longer. */
  forget(agentId: string): void {
    this.#away.delete(agentId);
  }

  #leave(agentId: string): void {
    this.#streams.delete(agentId);
    this.#away.set(agentId, this.#nowMs());
    for (const first of this.#away.keys()) {
      if (this.#away.size <= MAX_AWAY) return;
      this.#away.delete(first);
    }
  }
}
