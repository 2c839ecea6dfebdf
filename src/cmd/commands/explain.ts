import { type Command, defineCommand } from "../command.ts";
import { FORMAT_FLAG } from "../flags.ts";

export const explainCommand: Command = defineCommand({
  path: "explain",
  summary: "show the fields of a kind, as policies see them",
  operands: [{ name: "KIND[.FIELD]", summary: "`Pod`, `deployments.spec.template`, `'apps/v1 Deployment.spec'`", arity: "one" }],
  flags: { format: FORMAT_FLAG },
  examples: [{ line: "vigil explain pod.spec.containers.securityContext", says: "what a policy can ask there" }],
  async run({ operands: [subject = ""], flags, terminal }) {
    const { explainKind } = await import("../explain-kind.ts");
    return explainKind({ subject, format: flags.format }, terminal);
  },
});
