import type { CompiledBinding, CompiledPolicy } from "./compiled-policy.ts";
import { type Reach, reachOf } from "./match.ts";
import { type RequestShape, shapeKey } from "./resource-rule.ts";

/** A policy that reaches the requests of one shape. */
export interface Candidate {
  readonly policy: CompiledPolicy;
  readonly reach: Reach;
  /** Those of its bindings that reach the shape, too. */
  readonly bindings: readonly BindingCandidate[];
}

export interface BindingCandidate {
  readonly binding: CompiledBinding;
  /** undefined when the binding adds no constraints. */
  readonly reach: Reach | undefined;
}

const MAX_SHAPES = 4096;

/** Finds the policies for a request without looking at the others: once a shape of requests was seen, its candidates are known. */
export class PolicyIndex {
  readonly policies: readonly CompiledPolicy[];
  readonly #candidates = new Map<string, readonly Candidate[]>();

  constructor(policies: readonly CompiledPolicy[]) {
    this.policies = policies;
  }

  /** The candidates in policy order. */
  candidatesFor(shape: RequestShape): readonly Candidate[] {
    const key = shapeKey(shape);
    const known = this.#candidates.get(key);
    if (known !== undefined) return known;
    const candidates = this.policies.flatMap((policy) => candidateFor(policy, shape));
    // UNTRUSTED: a request names its shape; forgetting all of them bounds the memory.
    if (this.#candidates.size >= MAX_SHAPES) this.#candidates.clear();
    this.#candidates.set(key, candidates);
    return candidates;
  }
}

function candidateFor(policy: CompiledPolicy, shape: RequestShape): readonly Candidate[] {
  const reach = policy.constraints === undefined ? undefined : reachOf(policy.constraints, shape);
  if (reach === undefined) return [];
  const bindings = policy.bindings.flatMap((binding): readonly BindingCandidate[] => {
    if (binding.matchResources === undefined) return [{ binding, reach: undefined }];
    const bindingReach = reachOf(binding.matchResources, shape);
    return bindingReach === undefined ? [] : [{ binding, reach: bindingReach }];
  });
  return bindings.length === 0 ? [] : [{ policy, reach, bindings }];
}
