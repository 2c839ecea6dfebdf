/** The judge as the webhook asks it: by whatever snapshot is in force when the request comes. */
import { judge } from "../policy/judge.ts";
import type { World } from "../policy/review.ts";
import type { Snapshot } from "../policy/snapshot.ts";
import type { ActiveSnapshot } from "./active-snapshot.ts";
import type { Decide } from "./webhook.ts";

const US_PER_MS = 1000;

/** `worldNow` gives what is known of the world beside the request, at its time. */
export function decideBy(active: ActiveSnapshot<Snapshot>, worldNow: () => World): Decide {
  const clockUs = (): number => performance.now() * US_PER_MS;
  return (review, phase) => {
    const snapshot = active.current;
    return snapshot === undefined ? undefined : judge(snapshot, review, worldNow(), { phase, clockUs });
  };
}
