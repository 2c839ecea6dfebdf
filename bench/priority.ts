/** Measuring on a machine that others use too. */
import { existsSync, writeFileSync } from "node:fs";
import { constants, loadavg, setPriority } from "node:os";

/** Where the kernel shares processors between sessions, the session's part; a priority counts only inside of it. */
const SESSION = "/proc/self/autogroup";

/** This process and what it forks come first from now on, until it is disposed. As root. Nobody starves: what waits for others would, too. */
export function comeFirst(): Disposable {
  const set = (nice: number): void => {
    setPriority(nice);
    if (existsSync(SESSION)) writeFileSync(SESSION, String(nice));
  };
  set(constants.priority.PRIORITY_HIGHEST);
  return { [Symbol.dispose]: () => set(constants.priority.PRIORITY_NORMAL) };
}

/** What else the machine did: processors that are shared are slower by their caches, whoever comes first. */
export const sharedNote = (): string =>
  `These processes came first on a machine that others used meanwhile (load average ${(loadavg()[0] ?? 0).toFixed(0)} when it ended).`;
