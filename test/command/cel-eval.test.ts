import { describe, expect, test } from "vitest";
import { vigil } from "./run-vigil.ts";

const evaluate = (...words: readonly string[]) => vigil(["cel", "eval", ...words]);

describe("vigil cel eval", () => {
  test.each([
    ["1 + 1", "2"],
    ["[1, 2, 3].map(n, n * n)", "[1,4,9]"],
    ["9223372036854775807", "9223372036854775807"],
    ["{'a': b'\\x00', 'b': 1.0, 'c': 2u}", '{"a":"AA==","b":1,"c":2}'],
    ["duration('90s')", '"90s"'],
    ["optional.none().orValue('x')", '"x"'],
    ["quantity('1Gi').isGreaterThan(quantity('512Mi'))", "true"],
    ["null", "null"],
    ["-1", "-1"],
  ])("prints the value of `%s` as one JSON value", (expression, json) => {
    expect(evaluate(expression)).toEqual({ status: 0, stdout: `${json}\n`, stderr: "" });
  });

  test("takes the keys of its input and further variables", () => {
    const input = "spec: {replicas: 3}\nname: web\n";
    const words = ["cel", "eval", "object.spec.replicas > limit.max && name == 'web'", "--input", "-", "--var", 'limit={"max":2}'];
    expect(vigil(words, { input })).toMatchObject({ status: 0, stdout: "true\n" });
  });

  test.each(["source", "closure"])("has the back end %s", (backend) => {
    expect(evaluate("[1, 2].exists(n, n > 1)", "--backend", backend)).toMatchObject({ status: 0, stdout: "true\n" });
  });

  test("says what it cost", () => {
    expect(evaluate("[1, 2].all(n, n > 0)", "--cost")).toMatchObject({
      status: 0,
      stdout: "true\n",
      stderr: expect.stringMatching(/^cost: \d+ units\n$/),
    });
  });

  test.each([
    [["objct.x"], "undeclared", "^^^^^"],
    [["1 +"], "<expression>:1:", "^"],
    [["1 / 0"], "zero", "^^^^^"],
    [["size(1)"], "size", "^"],
    [["[1].all(x, [1].all(y, [1].all(z, z == x)))", "--cost-limit", "2"], "cost", ""],
    [["x", "--var", "x=text"], "NAME=JSON", "quotes"],
    [["x", "--input", "no-such-file.yaml"], "no-such-file.yaml", ""],
    [["{'a': 1}['b']"], "b", "^"],
  ])("ends with 2 and a message for %j", (words, ...parts) => {
    const { status, stdout, stderr } = evaluate(...words);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    for (const part of parts) expect(stderr).toContain(part);
    expect(stderr).not.toContain("internal error");
  });

  test.each([
    ["a: 1\na: 2\n", "a"],
    ["a: &x [1]\nb: [*x, *x, *x]\n---\nc: 1\n", "one document"],
    ['{"__proto__": 1}', "__proto__"],
    [`${"[".repeat(1_000)}${"]".repeat(1_000)}`, ""],
    ["\u0000", ""],
    ["", "none"],
  ])("refuses the input %#", (input, part) => {
    const { status, stderr } = vigil(["cel", "eval", "object", "--input", "-"], { input });
    expect(status).toBe(2);
    expect(stderr).toContain(part);
    expect(stderr).not.toContain("internal error");
  });
});
