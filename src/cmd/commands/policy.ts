import { type Command, defineCommand, FORMAT_FLAG } from "../command.ts";

export const policyTestCommand: Command = defineCommand({
  path: "policy test",
  summary: "run the tests of policies, in the format of Kyverno's command line",
  description: "Finds every `kyverno-test.yaml` below the directories. The last line of its output is `N passed, N failed, N skipped`.",
  operands: [{ name: "DIR", summary: "a directory, or a file of tests", arity: "one or more", completes: "directory" }],
  flags: {
    "file-name": { kind: "text", short: "f", value: "NAME", default: "kyverno-test.yaml", summary: "the name of files that hold tests" },
    all: { kind: "boolean", short: "a", summary: "show what passed, too" },
    format: FORMAT_FLAG,
  },
  examples: [{ line: "vigil policy test packs", says: "the tests of the built-in packs" }],
  exitCodes: { 0: "all passed", 1: "a test failed, or did not load", 2: "there is no test" },
  async run({ operands: directories, flags: { "file-name": fileName, all: showsAll, format }, terminal }) {
    const { testPolicies } = await import("../policy/test.ts");
    return testPolicies({ directories, fileName, showsAll, format }, terminal);
  },
});
