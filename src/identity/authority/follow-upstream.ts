/** Keeps what is trusted as the authority above says it: asked again and again, since it tells nobody by itself. */
import { messageOf } from "../../lib/error.ts";
import type { AuthoritySet } from "./authority-set.ts";
import type { UpstreamAuthority } from "./upstream-authority.ts";

export interface FollowOptions {
  readonly authorities: AuthoritySet;
  readonly upstream: UpstreamAuthority;
  /** It cannot be asked, or what it says cannot be followed: once until it works again, which is told with undefined. Must not throw. */
  readonly onProblem: (message: string | undefined) => void;
  /** 5 s unless given, as SPIRE does. */
  readonly everyMs?: number;
}

const EVERY_MS = 5_000;
const LONGEST_PAUSE_MS = 60_000;

/** Until the signal aborts. */
export function followUpstream({ authorities, upstream, onProblem, everyMs = EVERY_MS }: FollowOptions, signal: AbortSignal): void {
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  const ask = async (): Promise<void> => {
    try {
      const trust = await upstream.trust?.();
      if (trust === undefined || signal.aborted) return;
      await authorities.followUpstream(trust);
      if (failures > 0) onProblem(undefined);
      failures = 0;
    } catch (thrown) {
      failures++;
      if (failures === 1) onProblem(messageOf(thrown));
    }
    const pauseMs = Math.min(Math.max(everyMs, LONGEST_PAUSE_MS), everyMs * 2 ** Math.min(failures, 10));
    if (!signal.aborted) timer = setTimeout(() => void ask(), pauseMs).unref();
  };
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  void ask();
}
