/** `vigil policy lint`: what is wrong with policies, and what their expressions may cost. */
import { type CostEstimate, estimateCost } from "../../cel/cost/estimate.ts";
import { sizeInRequest } from "../../cel/cost/request-size.ts";
import type { Program } from "../../cel/program.ts";
import { unparse } from "../../cel/unparse.ts";
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { findAdmissionConflicts } from "../../policy/admission-conflict/find-admission-conflicts.ts";
import type { CompiledPolicy } from "../../policy/compiled-policy.ts";
import type { Snapshot } from "../../policy/snapshot.ts";
import { checkTypes } from "../../policy/type-check.ts";
import type { ManifestTreeErrorCode } from "../../resource/manifest-tree.ts";
import { EXIT, type ExitCode } from "../command.ts";
import { compilePolicySet } from "../compile-policy-set.ts";
import { noteDiagnostics } from "../notes.ts";
import { readPolicySet } from "../policy-set.ts";
import { alignColumns } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { admissionDiagnostics } from "./conflict-diagnostics.ts";
import { lintAccessPolicies } from "./lint-access-policies.ts";

export interface LintOptions {
  readonly sources: readonly string[];
  /** Lists what every expression may cost. */
  readonly showsCost: boolean;
  /** Asks the resolvers of this host for the DNS names of access policies. */
  readonly resolvesNames?: boolean;
  readonly format: "text" | "json";
}

export async function lintPolicies(
  { sources, showsCost, resolvesNames = false, format }: LintOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const set = await readPolicySet(sources);
  const { snapshot, diagnostics: mistakes, kinds } = compilePolicySet(set, "inactive");
  const access = await lintAccessPolicies(set.others, resolvesNames);
  const clashes = findAdmissionConflicts(set.resources, snapshot, { kinds: kinds.all(), nowMs: Date.now() });
  const diagnostics = [...mistakes, ...checkTypes(set.resources, kinds), ...access.diagnostics, ...admissionDiagnostics(clashes, mistakes)];
  const count = (severity: Diagnostic["severity"]): number => diagnostics.filter((diagnostic) => diagnostic.severity === severity).length;
  const summary = { policies: ownPolicies(snapshot).length + access.policies, errors: count("error"), warnings: count("warning") };
  const costs = showsCost ? costsOf(snapshot) : [];
  if (format === "json") {
    const findings = diagnostics.map(({ sourceLine: _, ...finding }) => finding);
    terminal.printJson({ ...summary, findings, ...(showsCost && { costs: costs.map(jsonOf) }) });
  } else {
    noteDiagnostics(terminal, diagnostics);
    for (const line of costLines(costs, terminal)) terminal.print(line);
    const { policies, errors, warnings } = summary;
    terminal.print(`${counted(policies, "policy", "policies")}: ${counted(errors, "error")}, ${counted(warnings, "warning")}`);
  }
  if (set.diagnostics.some(({ code }) => code === ("RESOURCE_UNREADABLE" satisfies ManifestTreeErrorCode))) return EXIT.unable;
  return summary.errors > 0 ? EXIT.no : EXIT.yes;
}

const counted = (count: number, one: string, many: string = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

/** Without those that are derived for Pod controllers. */
const ownPolicies = ({ policies }: Snapshot): readonly CompiledPolicy[] => policies.filter(({ autogen }) => autogen === undefined);

interface ExpressionCost {
  readonly policy: string;
  readonly rule: string;
  readonly estimate: CostEstimate;
  readonly place: { readonly file: string; readonly line: number };
  /** The part that causes most of the maximum, as CEL. */
  readonly dominating: string;
}

/** The dearest first. */
function costsOf(snapshot: Snapshot): readonly ExpressionCost[] {
  const costs = ownPolicies(snapshot).flatMap((policy) =>
    programsOf(policy).map(([rule, { checked }]): ExpressionCost => {
      const estimate = estimateCost(checked, { sizes: (_path, type) => sizeInRequest(type) });
      const heaviest = estimate.dominating.at(-1)?.expr ?? checked.root;
      const { file, locate } = checked.source;
      return { policy: policy.name, rule, estimate, place: { file, line: locate(heaviest.start).line }, dominating: unparse(heaviest) };
    }),
  );
  return costs.sort((a, b) => b.estimate.cost.max - a.estimate.cost.max);
}

function programsOf({ conditions, variables, effect }: CompiledPolicy): readonly (readonly [rule: string, Program])[] {
  const rules = effect.kind === "broken" ? [] : effect.kind === "validate" ? effect.validations : effect.mutations;
  const what = effect.kind === "validate" ? "validation" : "mutation";
  return [
    ...conditions.map(({ name, program }) => [`condition ${name}`, program] as const),
    ...[...(variables?.programs ?? [])].map(([name, program]) => [`variable ${name}`, program] as const),
    ...rules.map(({ program }, index) => [`${what} ${index + 1}`, program] as const),
  ];
}

const jsonOf = ({ policy, rule, estimate, place, dominating }: ExpressionCost): unknown => ({
  policy,
  rule,
  min: estimate.cost.min,
  max: Number.isFinite(estimate.cost.max) ? estimate.cost.max : null,
  dominating,
  ...place,
});

function costLines(costs: readonly ExpressionCost[], terminal: Terminal): readonly string[] {
  if (costs.length === 0) return [];
  const rows = costs.map(({ policy, rule, estimate, place, dominating }) => [
    policy,
    rule,
    `${estimate.cost.min}`,
    Number.isFinite(estimate.cost.max) ? `${estimate.cost.max}` : "unbounded",
    `${place.file}:${place.line}`,
    dominating.replaceAll(/\s+/g, " "),
  ]);
  return [...alignColumns([["POLICY", "RULE", "LEAST", "MOST", "WHERE", "MOSTLY BY"], ...rows], terminal.width), ""];
}
