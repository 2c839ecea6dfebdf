import { type Command, defineCommand } from "../command.ts";
import { FORMAT_FLAG } from "../flags.ts";

export const runtimeRulesCommand: Command = defineCommand({
  path: "runtime rules",
  summary: "say which rules about running processes there are, which of them run, and why the rest cannot",
  description: "Reads RuntimePolicies and rule files of Falco. A rule file changes those that stand before it.",
  operands: [{ name: "PATH", summary: "files, or directories that hold them", arity: "one or more", completes: "file" }],
  flags: { format: FORMAT_FLAG },
  examples: [
    { line: "vigil runtime rules packs/runtime", says: "the built-in policies" },
    { line: "vigil runtime rules test/data/falco/falco_rules.yaml", says: "Falco's own rules" },
  ],
  exitCodes: { 0: "all could be read", 1: "there are mistakes", 2: "there is no rule" },
  async run({ operands, flags: { format }, terminal }) {
    const { showRuntimeRules } = await import("../runtime/rules.ts");
    return showRuntimeRules(operands, format, terminal);
  },
});

export const runtimeTestCommand: Command = defineCommand({
  path: "runtime test",
  summary: "run the tests of runtime policies: events, and what must be found in them",
  description: "Finds every `runtime-test.yaml` below the directories. The last line of its output is `N passed, N failed`.",
  operands: [{ name: "DIR", summary: "a directory, or a file of tests", arity: "one or more", completes: "directory" }],
  flags: { all: { kind: "boolean", short: "a", summary: "show what passed, too" }, format: FORMAT_FLAG },
  examples: [{ line: "vigil runtime test packs", says: "the tests of the built-in policies" }],
  exitCodes: { 0: "all passed", 1: "a test failed, or did not load", 2: "there is no test" },
  async run({ operands, flags: { all: showsAll, format }, terminal }) {
    const { testRuntimeRules } = await import("../runtime/test.ts");
    return testRuntimeRules(operands, { showsAll, format }, terminal);
  },
});
