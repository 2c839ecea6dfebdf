/** The agents that follow the authority's state now, each by as many streams as it has. */
export class ConnectedAgents {
  readonly #streams = new Map<string, number>();

  /** One stream more; returns what ends it. */
  join(agentId: string): () => void {
    this.#streams.set(agentId, (this.#streams.get(agentId) ?? 0) + 1);
    let hasLeft = false;
    return () => {
      if (hasLeft) return;
      hasLeft = true;
      const left = (this.#streams.get(agentId) ?? 0) - 1;
      if (left > 0) this.#streams.set(agentId, left);
      else this.#streams.delete(agentId);
    };
  }

  get count(): number {
    return this.#streams.size;
  }
}
