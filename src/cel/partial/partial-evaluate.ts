/** The partial evaluator: the back end that answers with an expression when some variables are not known yet. */
import type { CheckedExpression } from "../checked-expression.ts";
import { createFrame, RUNTIME_BUDGET } from "../frame.ts";
import type { LazyScope } from "../program.ts";
import { overLimit } from "../runtime/operation.ts";
import type { TypeProvider } from "../type.ts";
import type { CelValue } from "../value.ts";
import { LazyVariables } from "./lazy-variables.ts";
import type { Outcome } from "./outcome.ts";
import { ResidualBuilder } from "./residual-builder.ts";
import { type Specialization, Specializer } from "./specializer.ts";
import { unknownAttributes } from "./unknown-attributes.ts";

export interface PartialOptions {
  /** Values of variables. One that is neither here nor unknown evaluates to CEL_NO_SUCH_VARIABLE. */
  readonly known: Readonly<Record<string, CelValue>>;
  /**
   * What is not known yet: variables and fields of them, as `object` or `request.claims`. Fields that are not named are read
   * from `known`. When the residual runs, each variable named here must be bound as a whole.
   */
  readonly unknown: readonly string[];
  /** Of the environment in which the expression was checked. */
  readonly types?: TypeProvider;
  readonly lazy?: LazyScope;
  readonly isPresenceStrict?: boolean;
  /** For everything that is evaluated; Kubernetes' budget of a policy by default. */
  readonly costLimit?: number;
}

export type PartialResult =
  /** Nothing unknown matters. The value may be an error. */
  | { readonly kind: "value"; readonly value: CelValue }
  /** What is left to evaluate. Names that begin with `@constant` refer to values that have no literal. */
  | { readonly kind: "residual"; readonly expression: CheckedExpression };

/**
 * Evaluates an expression as far as the known values go. Whatever the unknown ones turn out to be, the residual then gives
 * what the expression gives: the same value, or an error where it is an error.
 */
export function partialEvaluate(checked: CheckedExpression, options: PartialOptions): PartialResult {
  const { known, types = NO_TYPES, lazy, isPresenceStrict = false, costLimit = RUNTIME_BUDGET } = options;
  const world = { lowering: { types, lazy, isPresenceStrict }, frame: createFrame(known, costLimit) };
  const builder = new ResidualBuilder();
  const isUnknown = unknownAttributes(options.unknown);
  const lazyVariables: LazyVariables = new LazyVariables(lazy, builder, (program) => {
    const outcome = specialize(program.checked);
    // Programs that need it find it in the frame.
    world.frame.memo ??= new Map();
    if (outcome.kind === "known") world.frame.memo.set(program, outcome.value);
    return outcome;
  });
  const shared: Specialization = {
    world,
    builder,
    lazy: lazyVariables,
    isUnknown: (attribute) => (lazyVariables.covers(attribute) ? lazyVariables.isUnknown(attribute) : isUnknown(attribute)),
  };
  const specialize = (tree: CheckedExpression): Outcome => new Specializer(tree, shared).specialize(tree.root, null);

  const outcome = specialize(checked);
  if (world.frame.cost > costLimit) return { kind: "value", value: overLimit(world.frame) };
  if (outcome.kind === "known") return { kind: "value", value: outcome.value };
  const root = lazyVariables.bindAround(outcome.expr);
  return { kind: "residual", expression: builder.finish(root, checked.source, checked.resultType) };
}

const NO_TYPES: TypeProvider = { fieldsOf: () => undefined, findType: () => undefined };
