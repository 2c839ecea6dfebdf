/** Which programs the kernel itself refuses: those that policies name by their paths alone. */
import { globSync } from "node:fs";
import { selectsEverything } from "../policy/label-match.ts";
import type { RuntimePolicy } from "../resource/runtime-policy.ts";

const LIMIT = 4_096;

/**
 * Whether the kernel can decide the policy: it knows files, not conditions, labels and counts. Any other policy that refuses is decided
 * when the program has begun, and kills it then.
 */
export const isDecidedByKernel = (policy: RuntimePolicy): boolean =>
  policy.action === "Refuse" &&
  policy.match.paths.length > 0 &&
  policy.conditions.length === 0 &&
  policy.exceptions.length === 0 &&
  policy.threshold === undefined &&
  selectsEverything(policy.match.workloads);

/** The paths of such policies, patterns in them filled in with what is there now; at most 4,096. */
export function refusedPaths(policies: readonly RuntimePolicy[]): readonly string[] {
  const found = new Set<string>();
  for (const pattern of new Set(policies.filter(isDecidedByKernel).flatMap(({ match }) => match.paths))) {
    for (const path of /[*?[]/.test(pattern) ? globSync(pattern) : [pattern]) if (found.size < LIMIT) found.add(path);
  }
  return [...found];
}
