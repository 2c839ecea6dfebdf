/** Limits of what a function may make out of small arguments. Costs count what is read, so nothing else bounds what is written. */
import type { CelError } from "../value.ts";
import { fail } from "./define.ts";

/** UTF-16 units. */
export const MAX_TEXT_LENGTH: number = 16 * 1024 * 1024;
export const MAX_LIST_LENGTH = 1_000_000;
/** Comparisons of one call: Kubernetes' budget for all expressions of a policy. A cost that is charged afterwards would come too late. */
export const MAX_COMPARISONS = 10_000_000;

export const textTooLong = (): CelError => fail(`a string would be longer than ${MAX_TEXT_LENGTH} units`, "CEL_COST_LIMIT");
export const listTooLong = (): CelError => fail(`a list would be longer than ${MAX_LIST_LENGTH} elements`, "CEL_COST_LIMIT");
export const tooManyComparisons = (): CelError => fail(`more than ${MAX_COMPARISONS} comparisons`, "CEL_COST_LIMIT");
