/**
 * Fuzzes evaluation: expressions of the conformance data put together, run in both back ends and through the partial
 * evaluator. All must come to the same value, or all to an error.
 */
import { isDeepStrictEqual } from "node:util";
import { estimateCost } from "../../src/cel/cost/estimate.ts";
import { createEnvironment } from "../../src/cel/environment.ts";
import { createFrame } from "../../src/cel/frame.ts";
import { extensionLibraries } from "../../src/cel/library/catalogue.ts";
import { partialEvaluate } from "../../src/cel/partial/partial-evaluate.ts";
import type { Program } from "../../src/cel/program.ts";
import { equals } from "../../src/cel/runtime/equality.ts";
import { DYN } from "../../src/cel/type.ts";
import { CelError, type CelValue } from "../../src/cel/value.ts";
import { conformanceCases } from "../conformance/cases.ts";
import { type FuzzTarget, threadMs } from "./target.ts";

/** Far more than an evaluation within the limit of cost may take. */
const MAX_RUN_MS = 3000;
const MAX_DEPTH = 4;

type UpTo = (limit: number) => number;

const NAMES = ["a", "b", "c", "d"];
const VALUES: readonly CelValue[] = [
  ...[null, true, false, 0, 1, -1, 7, 2n ** 62n, 0.5, Number.NaN, "", "a", "😀", "__proto__"],
  ...[[], [1, 2, 3], ["a", "b"], [null, true], {}, { a: 1 }, { a: { b: [1] }, c: "x" }],
];
const environment = createEnvironment({
  libraries: extensionLibraries,
  variables: Object.fromEntries(NAMES.map((name) => [name, DYN])),
});
/** Without those that need protobuf messages, and those that depend on the engine's time zones. */
const seeds = conformanceCases.map(({ expression }) => expression).filter((text) => !/TestAll|protobuf|proto[23]/.test(text));

/** `$` is any expression. */
const TEMPLATES =
  "$ && $~$ || $~!($)~$ ? $ : $~$ == $~$ != $~$ < $~$ + $~$ - $~$ * $~$ / $~$ % $~-($)~$ in $~($)[$]~($).a~($).?a.orValue($)~has(($).a)~[$, $]~{'a': $, 'b': $}~{$: $}~[?optional.ofNonZeroValue($)]~optional.of($).optMap(o, [o, $])~($)[?$].orValue($)~size($)~string($)~dyn($)~($).all(e, $)~($).exists(e, $ == e)~($).exists_one(e, e == $)~($).map(e, [e, $])~($).map(e, $, e)~($).filter(e, $ != e)~($).all(i, v, $)~($).transformList(i, v, $)~($).transformMap(k, v, $)~($).transformMapEntry(k, v, {v: $})~cel.bind(v, $, [v, $])~($).contains($)~($).matches($)~($).sort()~math.greatest($, $)~type($) == type($)".split(
    "~",
  );

export const celEvaluationFuzz: FuzzTarget = {
  name: "cel evaluation",
  run(random) {
    const upTo: UpTo = (limit) => Math.floor(random() * limit);
    const text = expression(upTo, MAX_DEPTH);
    const bindings = Object.fromEntries(NAMES.map((name) => [name, VALUES[upTo(VALUES.length)] ?? null]));
    const unknown = NAMES.filter(() => upTo(2) === 0);
    const startMs = threadMs();
    const wrong = judge(text, bindings, unknown) ?? (threadMs() - startMs > MAX_RUN_MS ? "too slow" : undefined);
    if (wrong !== undefined)
      throw new Error(
        `${wrong}: ${JSON.stringify({ text, bindings, unknown }, (_, value) => (typeof value === "bigint" ? `${value}n` : value))}`,
      );
  },
};

function expression(upTo: UpTo, depth: number): string {
  if (depth === 0 || upTo(4) === 0) return upTo(2) === 0 ? (NAMES[upTo(NAMES.length)] ?? "") : `(${seeds[upTo(seeds.length)]})`;
  const template = TEMPLATES[upTo(TEMPLATES.length)] ?? "$";
  return `(${template.replaceAll("$", () => expression(upTo, depth - 1))})`;
}

/** What is wrong with the outcome; undefined when nothing is. */
function judge(text: string, bindings: Readonly<Record<string, CelValue>>, unknown: readonly string[]): string | undefined {
  for (const checked of [true, false]) {
    const source = environment.compile(text, { backend: "source", checked });
    const closure = environment.compile(text, { backend: "closure", checked });
    if (source.ok !== closure.ok) return "only one back end compiles";
    if (!source.ok || !closure.ok) continue;
    const [expected, cost] = evaluate(source.value, bindings);
    const [value, otherCost] = evaluate(closure.value, bindings);
    if (!isSame(expected, value) || cost !== otherCost) return `back ends disagree (checked: ${checked})`;
    const { min, max } = estimateCost(source.value.checked).cost;
    if (!(min >= 0 && min <= max)) return "no range of costs";
    const isOverLimit = expected instanceof CelError && expected.code === "CEL_COST_LIMIT";
    if (!isOverLimit && !isSame(expected, evaluatePartially(source.value, bindings, unknown)))
      return `the partial evaluator disagrees (checked: ${checked})`;
  }
  return undefined;
}

function evaluate(program: Program, bindings: Readonly<Record<string, CelValue>>): readonly [value: CelValue, cost: number] {
  const frame = createFrame(bindings);
  const value = program.run(frame);
  return [value, frame.cost];
}

function evaluatePartially(program: Program, bindings: Readonly<Record<string, CelValue>>, unknown: readonly string[]): CelValue {
  const pick = (isOpen: boolean): Record<string, CelValue> =>
    Object.fromEntries(Object.entries(bindings).filter(([name]) => unknown.includes(name) === isOpen));
  const result = partialEvaluate(program.checked, { known: pick(false), unknown, types: environment.declarations.types });
  return result.kind === "value" ? result.value : environment.link(result.expression).run(createFrame(pick(true)));
}

function isSame(a: CelValue, b: CelValue): boolean {
  if (a instanceof CelError || b instanceof CelError) return a instanceof CelError && b instanceof CelError;
  return equals(a, b) || isDeepStrictEqual(a, b);
}
