/**
 * What an environment declares: functions with typed overloads and their implementation, variables, constants. Libraries are
 * plain data built from these.
 */
import type { CelType } from "./type.ts";
import type { CelError, CelValue } from "./value.ts";

/** One overload of a function. */
export interface Overload {
  /** cel-go's overload id where the function exists there (`starts_with_string`): conformance compares it. */
  readonly id: string;
  /** Receiver first when `isMember`. Type parameters are `typeParam("T")`. */
  readonly args: readonly CelType[];
  readonly result: CelType;
  readonly isMember: boolean;
  /**
   * Strict: called only when no argument is an error and every argument's run-time type fits `args`. Pure, synchronous;
   * returns a `CelError` for an expected failure and never throws. Int arguments arrive as `number | bigint`, double arguments as `number | CelDouble`: use `asDouble`.
   */
  readonly call: (...args: CelValue[]) => CelValue;
  /** Whether the result depends on more than the arguments (a clock, randomness, prefetched values): never computed before run time. */
  readonly isVolatile?: boolean;
  /** Cost of a call beyond the base 1, in Kubernetes' units; absent means constant. */
  readonly cost?: CallCost;
}

/** A range of sizes or costs, both ends inclusive; `max` may be Infinity. */
export interface CostRange {
  readonly min: number;
  readonly max: number;
}

export interface CallCost {
  /** Actual cost of a call, given the arguments and the result (cel-go interpreter/runtimecost.go, apiserver pkg/cel/library/cost.go). Replaces the base cost of 1. */
  readonly actual: (args: readonly CelValue[], result: CelValue) => number;
  /**
   * Static estimate (checker/cost.go): cost of the call, and size of its result where it has one, from the sizes of the
   * arguments and of the elements of those that are lists.
   */
  readonly estimate?: (
    argumentSizes: readonly CostRange[],
    elementSizes: readonly CostRange[],
  ) => { readonly cost: CostRange; readonly resultSize?: CostRange };
}

export interface FunctionDeclaration {
  /** Name as called: `startsWith`, `math.greatest`, `ip.isCanonical`; operators by cel-go's names. */
  readonly name: string;
  readonly overloads: readonly Overload[];
  /** One sentence for `vigil explain` and completion. */
  readonly description?: string;
}

/** A set of functions and constants that is enabled as a whole. */
export interface Library {
  /** `strings`, `lists`, `kubernetes.quantity`, `kyverno.hash`. */
  readonly name: string;
  readonly functions: readonly FunctionDeclaration[];
  /** Constants and type names by qualified name. */
  readonly constants?: ReadonlyMap<string, { readonly type: CelType; readonly value: CelValue }>;
  /** Macros that the parser enables with this library (`bind`, `optMap`, `transformList` …); names as written. */
  readonly macros?: readonly string[];
}

/** Makes an error of a call; the backend adds the position. */
export type Fail = (message: string) => CelError;
