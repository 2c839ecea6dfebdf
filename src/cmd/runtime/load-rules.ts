/** Rules about what processes do, from files: RuntimePolicies, and Falco's rule files as they are. */
import { type CompiledRules, compileRules } from "../../falco/compile.ts";
import { loadRules, type RuleSet } from "../../falco/rule-set.ts";
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { isJsonArray } from "../../lib/json.ts";
import { compileRuntimePolicies, type RuntimeRules } from "../../policy/compile-runtime-policy.ts";
import { type Document, readDocuments, readValues } from "../../resource/document.ts";
import { parseRuntimePolicy, type RuntimePolicy } from "../../resource/runtime-policy.ts";
import { readInput } from "../read-input.ts";
import type { Terminal } from "../terminal.ts";

export interface LoadedRuntimeRules {
  readonly policies: RuntimeRules;
  readonly falco: CompiledRules;
  readonly ruleSet: RuleSet;
  /** Documents of other kinds are passed over; how many. */
  readonly otherCount: number;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads files in the order given: later rule files of Falco change earlier ones. A file whose root is a list is Falco's. */
export function loadRuntimeRules(files: readonly string[], terminal: Pick<Terminal, "readInput">): LoadedRuntimeRules {
  const diagnostics: Diagnostic[] = [];
  const policies: RuntimePolicy[] = [];
  let otherCount = 0;
  const ruleSet = loadRules(
    files.flatMap((file) => {
      const content = readInput(file, terminal);
      const read = readValues(content, file);
      const lists = read.documents.filter(({ value }) => isJsonArray(value));
      if (lists.length > 0) {
        diagnostics.push(...read.diagnostics);
        return lists;
      }
      const { documents, diagnostics: problems } = readDocuments(content, file);
      diagnostics.push(...problems);
      for (const document of documents) if (!addPolicy(document, policies, diagnostics)) otherCount += 1;
      return [];
    }),
  );
  const compiled = compileRuntimePolicies(policies);
  const falco = compileRules(ruleSet, { includes: () => true });
  return {
    policies: compiled.rules,
    falco,
    ruleSet,
    otherCount,
    diagnostics: [...diagnostics, ...compiled.diagnostics, ...falco.diagnostics],
  };
}

/** False when the document is of another kind. */
function addPolicy(document: Document, policies: RuntimePolicy[], diagnostics: Diagnostic[]): boolean {
  const parsed = parseRuntimePolicy(document);
  if (parsed.kind === "runtime") policies.push(parsed.resource);
  else if (parsed.kind === "refused") diagnostics.push(...parsed.diagnostics);
  return parsed.kind !== "other";
}
