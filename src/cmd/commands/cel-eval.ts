import { type Command, defineCommand } from "../command.ts";

export const celEvalCommand: Command = defineCommand({
  path: "cel eval",
  summary: "evaluate an expression of the Common Expression Language",
  description: `Prints the value as JSON. All libraries of Kubernetes and Kyverno are there. The keys of the input are variables, and so is
\`object\`, the whole of it. What is wrong with the expression goes to standard error, with its place.`,
  operands: [{ name: "EXPR", summary: "the expression", arity: "one" }],
  flags: {
    input: {
      kind: "text",
      short: "i",
      value: "FILE",
      completes: "file",
      summary: "what to evaluate it on, YAML or JSON; - is standard input",
    },
    var: { kind: "list", value: "NAME=JSON", summary: "a further variable" },
    cost: { kind: "boolean", summary: "also say what it cost, in Kubernetes' units, on standard error" },
    "cost-limit": { kind: "integer", value: "UNITS", min: 1, max: 1_000_000_000, default: 1_000_000, summary: "the cost at which it ends" },
    backend: { kind: "choice", choices: ["auto", "source", "closure"], default: "auto", summary: "how it is compiled" },
  },
  examples: [
    { line: "vigil cel eval '[1, 2, 3].map(n, n * n)'", says: "a value" },
    {
      line: "vigil cel eval 'n > 3 && quantity(\"1Gi\").isGreaterThan(quantity(memory))' --var n=5 --var memory='\"512Mi\"'",
      says: "with variables",
    },
    { line: "vigil cel eval --cost 'request.kind.kind' --input examples/deny-privileged.json", says: "on a file" },
  ],
  exitCodes: { 0: "it has a value", 2: "it cannot be compiled, or its value is an error" },
  async run({ operands: [expression = ""], flags, terminal }) {
    const { evaluate } = await import("../cel/evaluate.ts");
    const { input, var: variables, cost: showsCost, "cost-limit": costLimit, backend } = flags;
    return evaluate({ expression, input, variables, showsCost, costLimit, backend }, terminal);
  },
});
