import { expect, test } from "vitest";
import { evaluatorOf } from "../../../test/evaluate-expression.ts";
import { bindingsLibrary } from "../library/bindings.ts";

const evaluate = evaluatorOf({ libraries: [bindingsLibrary] });

/** A list that is doubled `times` times. */
const doubled = (times: number): string => (times === 0 ? "size(v)" : `cel.bind(v, v + v, ${doubled(times - 1)})`);

test("a list that is doubled again and again costs too much before it fills the memory", () => {
  expect(evaluate(`cel.bind(v, [1], ${doubled(9)})`)).toMatchObject({ result: 512 });
  expect(evaluate(`cel.bind(v, [1], ${doubled(30)})`)).toMatchObject({ result: "CEL_COST_LIMIT" });
});
