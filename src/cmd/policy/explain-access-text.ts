/** Access policies of sources, and how `vigil policy explain` tells of them. */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { type ExplainedRule, explainAccess } from "../../policy/access/explain-access.ts";
import { type AccessResource, parseAccessResource } from "../../resource/access-resource.ts";
import type { Document } from "../../resource/document.ts";
import type { Terminal } from "../terminal.ts";

/** Those among documents that are about calls; what is refused is among the diagnostics. */
export function accessResourcesOf(documents: readonly Document[]): {
  readonly resources: readonly AccessResource[];
  readonly diagnostics: readonly Diagnostic[];
} {
  const resources: AccessResource[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const document of documents) {
    const parsed = parseAccessResource(document);
    if (parsed.kind === "access") resources.push(parsed.resource);
    else if (parsed.kind === "refused") diagnostics.push(...parsed.diagnostics);
  }
  return { resources, diagnostics };
}

/** Both of its names: with the namespace, and without. */
export const accessNames = ({ metadata: { namespace, name } }: AccessResource): readonly string[] =>
  namespace === "" ? [name] : [`${namespace}/${name}`, name];

export function accessLines(resource: AccessResource, beside: readonly AccessResource[], terminal: Terminal): readonly string[] {
  const { rules, isolations, lookups } = explainAccess(resource, beside);
  const [name = ""] = accessNames(resource);
  return [
    `${terminal.style("bold", name)}  ${terminal.style("dim", resource.kind)}`,
    terminal.style("dim", `${resource.document.file}:${resource.document.line}`),
    ...rules.flatMap((rule) => ruleLines(rule, terminal)),
    ...(lookups.length === 0 ? [] : ["", terminal.style("bold", "May ask for names"), ...lookups.map((text) => `  ${text}`)]),
    ...(isolations.length === 0
      ? []
      : ["", terminal.style("bold", "Everything else is denied for"), ...isolations.map((text) => `  ${text}`)]),
  ];
}

function ruleLines(rule: ExplainedRule, terminal: Terminal): readonly string[] {
  const { name, action, direction, tier, subject, peer, ports, rollout, conjuncts, inKernel } = rule;
  const [from, to] = direction === "ingress" ? [peer, subject] : [subject, peer];
  const verb = { allow: "Allow", deny: "Deny", pass: "Pass on" }[action];
  return [
    "",
    terminal.style("bold", [verb, name].filter(Boolean).join(" ")),
    `  from     ${from}`,
    `  to       ${to}`,
    `  ports    ${ports}`,
    `  judged   ${direction === "ingress" ? "where it arrives" : "where it leaves"}, in the ${tier} tier${rollout === "" ? "" : `; ${rollout}`}`,
    `  kernel   ${inKernel}`,
    ...conjuncts.flatMap(({ text, layer, because }) => [
      `  when     ${text}`,
      `             decided by the ${layer}${because === "" ? "" : `: ${because}`}`,
    ]),
  ];
}
