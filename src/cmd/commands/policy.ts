import { type Command, defineCommand, type Operand } from "../command.ts";
import { CONFIG_FLAG, FORMAT_FLAG, POLICY_FLAG, STATE_FLAG } from "../flags.ts";

/** Where the policies are that a command is about. */
const SOURCES: Operand = {
  name: "PATH",
  summary: "files, directories, `builtin` or `builtin/PACK`; the built-in packs when not given",
  arity: "any",
  completes: "file",
};

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

export const policyLintCommand: Command = defineCommand({
  path: "policy lint",
  summary: "find mistakes in policies before they are in force",
  description:
    "Reads, type-checks and compiles them; names what does not fit together: policies without bindings, bindings without policies. Of access and network policies: selectors about no Workload of the files, conditions that never hold or that no layer can judge, what has expired.",
  operands: [SOURCES],
  flags: {
    cost: { kind: "boolean", summary: "also list what every expression may cost, in Kubernetes' units, and which part causes it" },
    resolve: { kind: "boolean", summary: "ask the resolvers of this host for the DNS names that access policies name" },
    format: FORMAT_FLAG,
  },
  examples: [
    { line: "vigil policy lint packs", says: "a directory" },
    { line: "vigil policy lint --cost builtin/pod-security", says: "with what the expressions may cost" },
  ],
  exitCodes: { 0: "no mistakes", 1: "mistakes", 2: "something could not be read" },
  async run({ operands: sources, flags: { cost: showsCost, resolve: resolvesNames, format }, terminal }) {
    const { lintPolicies } = await import("../policy/lint.ts");
    return lintPolicies({ sources, showsCost, resolvesNames, format }, terminal);
  },
});

export const policyListCommand: Command = defineCommand({
  path: "policy list",
  summary: "list policies: what they do and how grave it is",
  operands: [SOURCES],
  flags: { format: FORMAT_FLAG },
  examples: [{ line: "vigil policy list", says: "the built-in packs" }],
  async run({ operands, flags, terminal }) {
    const { listPolicies } = await import("../policy/list.ts");
    return listPolicies(operands, flags.format, terminal);
  },
});

export const policyExplainCommand: Command = defineCommand({
  path: "policy explain",
  summary: "say what a policy is about, what it asks, and what puts it in force",
  description: "Of an access or network policy: which layer (kernel, proxy, process) decides each part of its condition, and why.",
  operands: [{ name: "NAME", summary: "of a policy", arity: "one or more" }],
  flags: { policy: POLICY_FLAG },
  examples: [{ line: "vigil policy explain pod-security-baseline", says: "one of the built-in policies" }],
  async run({ operands, flags, terminal }) {
    const { explainPolicies } = await import("../policy/explain.ts");
    return explainPolicies(operands, flags.policy, terminal);
  },
});

export const policyConflictsCommand: Command = defineCommand({
  path: "policy conflicts",
  summary: "find policies that contradict, shadow or repeat others, or are about nobody",
  description: `Compares the rules of access and network policies by what is written in them, so that the answer also holds for workloads that do not exist
yet, and runs mutating policies in either order. Every example was really decided by the policies. What cannot be compared is counted as unknown.`,
  operands: [{ name: "PATH", summary: "files or directories of policies", arity: "one or more", completes: "file" }],
  flags: {
    inventory: {
      kind: "list",
      value: "PATH",
      completes: "file",
      summary: "the Pods, workloads with Pod templates, Workloads and Namespaces that there are, so that rules about nobody are found",
    },
    flows: {
      kind: "text",
      value: "FILE",
      completes: "file",
      summary:
        "flow events as `vigil flows --format json` prints them, `-` for standard input: calls that no policy allows, policies that none used",
    },
    format: {
      kind: "choice",
      short: "o",
      choices: ["text", "json", "sarif"],
      default: "text",
      summary: "output for people, programs or code hosts",
    },
  },
  examples: [
    { line: "vigil policy conflicts examples/conflicts", says: "a directory" },
    { line: "vigil policy conflicts -o sarif examples/conflicts > conflicts.sarif", says: "for a code host" },
  ],
  exitCodes: { 0: "no contradiction", 1: "a contradiction", 2: "something could not be read, or there is no policy" },
  async run({ operands: paths, flags: { inventory, flows, format }, terminal }) {
    const { showConflicts } = await import("../policy/conflicts.ts");
    return showConflicts({ paths, inventory, flows, format }, terminal);
  },
});

export const policyBenchCommand: Command = defineCommand({
  path: "policy bench",
  summary: "measure what policies cost on your own objects",
  operands: [{ name: "PATH", summary: "manifests or AdmissionReviews", arity: "one or more", completes: "file" }],
  flags: {
    policy: POLICY_FLAG,
    rounds: { kind: "integer", value: "N", min: 1, max: 1_000_000, default: 1_000, summary: "how often each object is judged" },
    format: FORMAT_FLAG,
  },
  examples: [{ line: "vigil policy bench examples/deny-privileged.json", says: "the built-in packs on one review" }],
  async run({ operands: paths, flags: { policy: sources, rounds, format }, terminal }) {
    const { benchPolicies } = await import("../policy/bench.ts");
    return benchPolicies({ paths, sources, rounds, format }, terminal);
  },
});

export const policyReloadCommand: Command = defineCommand({
  path: "policy reload",
  summary: "make the running Vigil read its policies now",
  description:
    "It follows its policies by itself; this is for file systems that report no changes, and to see at once what is wrong with a change.",
  operands: [],
  flags: { state: STATE_FLAG, config: CONFIG_FLAG },
  examples: [{ line: "vigil policy reload", says: "after a change" }],
  exitCodes: { 0: "what there is now is in force", 1: "it has mistakes; what was in force stays", 2: "no Vigil answers" },
  async run(invocation) {
    const { reloadPolicies } = await import("../policy/reload.ts");
    return reloadPolicies(invocation, invocation.flags);
  },
});
