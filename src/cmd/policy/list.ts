/** `vigil policy list`. */
import { EXIT, type ExitCode } from "../command.ts";
import { noteDiagnostics } from "../notes.ts";
import { readPolicySet } from "../policy-set.ts";
import { alignColumns } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { type DescribedPolicy, describePolicies, nameOf } from "./described-policy.ts";

export async function listPolicies(sources: readonly string[], format: "text" | "json", terminal: Terminal): Promise<ExitCode> {
  const set = await readPolicySet(sources);
  noteDiagnostics(terminal, set.diagnostics);
  const policies = describePolicies(set);
  if (format === "json") terminal.printJson(policies.map(jsonOf));
  else {
    const rows = policies.map((described) => [
      nameOf(described.policy),
      described.actions.join(", ").toLowerCase() || terminal.style("dim", "not in force"),
      described.severity || "-",
      described.title || described.policy.kind,
    ]);
    for (const line of alignColumns([["POLICY", "DOES", "SEVERITY", "WHAT"], ...rows], terminal.width)) terminal.print(line);
  }
  return set.diagnostics.some(({ severity }) => severity === "error") ? EXIT.unable : EXIT.yes;
}

const jsonOf = ({ policy, actions, title, description, severity, category, bindings, exceptions }: DescribedPolicy): unknown => ({
  name: policy.metadata.name,
  namespace: policy.metadata.namespace,
  kind: policy.kind,
  actions,
  title,
  description,
  severity,
  category,
  bindings: bindings.map(({ metadata }) => metadata.name),
  exceptions: exceptions.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
  file: policy.document.file,
  line: policy.document.line,
});
