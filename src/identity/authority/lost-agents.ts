/**
 * Denies an agent that has been away for too long, and the identities that it alone serves: what became of its node is not known. It stays
 * denied until an administrator says otherwise.
 */
import { formatDuration } from "../../lib/duration.ts";
import type { Authority } from "./authority.ts";
import { LOCAL_AGENT } from "./caller.ts";
import type { ConnectedAgents } from "./connected-agents.ts";

export interface LostAgentsOptions {
  readonly authority: Authority;
  readonly connected: ConnectedAgents;
  /** How long an agent may be away. */
  readonly afterMs: number;
  readonly nowMs: () => number;
  /** How often to look; a tenth of the time, at most 5 s, unless given. */
  readonly everyMs?: number;
  /** An agent was denied, with so many identities besides; or could not be, which is tried again. Must not throw. */
  readonly onLost: (agentId: string, message: string, error: unknown) => void;
}

const SHORTEST_TICK_MS = 50;
const LONGEST_TICK_MS = 5_000;

/** Looks after the agents until the signal aborts. */
export function denyLostAgents(options: LostAgentsOptions, signal: AbortSignal): void {
  let timer: NodeJS.Timeout | undefined;
  const tickMs = options.everyMs ?? Math.min(LONGEST_TICK_MS, Math.max(SHORTEST_TICK_MS, options.afterMs / 10));
  const tick = async (): Promise<void> => {
    await denyOnce(options);
    if (!signal.aborted) timer = setTimeout(() => void tick(), tickMs).unref();
  };
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  timer = setTimeout(() => void tick(), tickMs).unref();
}

async function denyOnce({ authority, connected, afterMs, nowMs, onLost }: LostAgentsOptions): Promise<void> {
  // That of this machine is looked after by the supervisor.
  const local = authority.agentIdOf(LOCAL_AGENT);
  for (const agentId of connected.awaySince(nowMs() - afterMs)) {
    if (agentId === local) continue;
    const its = [...authority.shared.entries.values()].filter(({ agents }) => agents.length > 0 && agents.every((id) => id === agentId));
    const message = `no word from it for ${formatDuration(afterMs)}; it and ${its.length} identities that it alone serves are denied`;
    try {
      const spiffeIds = [agentId, ...new Set(its.map(({ spiffeId }) => spiffeId))];
      await authority.deny({ spiffeIds, serials: [], reason: "the agent was lost", remove: false });
      connected.forget(agentId);
      onLost(agentId, message, undefined);
    } catch (thrown) {
      onLost(agentId, message, thrown);
    }
  }
}
