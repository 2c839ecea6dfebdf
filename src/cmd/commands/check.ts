import { type Command, defineCommand } from "../command.ts";
import { POLICY_FLAG } from "../flags.ts";

export const checkCommand: Command = defineCommand({
  path: "check",
  summary: "judge manifests by policies, as the webhook would",
  description: `Objects are judged as if they were created: mutating policies first, then validating ones. Namespaces and parameters may be among the
files; a policy without a binding is in force for everything that it matches. AdmissionReviews are judged as the request that they hold.`,
  operands: [{ name: "PATH", summary: "a file, a directory, or - for standard input", arity: "one or more", completes: "file" }],
  flags: {
    policy: POLICY_FLAG,
    namespace: { kind: "text", short: "n", value: "NAME", default: "default", summary: "namespace of objects that name none" },
    strict: { kind: "boolean", summary: "warnings and audit entries are violations too" },
    format: {
      kind: "choice",
      short: "o",
      choices: ["text", "json", "sarif", "junit"],
      default: "text",
      summary: "output for people, programs, code hosts or build servers",
    },
  },
  examples: [
    { line: "vigil check examples/shop.yaml", says: "by the built-in packs" },
    { line: "vigil check --policy builtin/pod-security -o sarif examples > vigil.sarif", says: "by one pack, for a code host" },
    { line: "kubectl get pods -A -o yaml | vigil check -", says: "what already runs" },
  ],
  exitCodes: { 0: "clean", 1: "violations", 2: "something could not be read or judged" },
  async run({ operands: paths, flags: { policy: policies, namespace, strict, format }, terminal }) {
    const { check } = await import("../check/check.ts");
    return check({ paths, policies, namespace, strict, format }, terminal);
  },
});
