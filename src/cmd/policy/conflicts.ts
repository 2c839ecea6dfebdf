/** `vigil policy conflicts`: what access policies make of each other. */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { compileAccessSet } from "../../policy/access/access-set.ts";
import { findConflicts } from "../../policy/conflict/conflict-analysis.ts";
import { edgeLabelsOf } from "../../policy/conflict/edge-labels.ts";
import type { Conflicts } from "../../policy/conflict/finding.ts";
import { type AccessResource, parseAccessResource } from "../../resource/access-resource.ts";
import { readManifestTree } from "../../resource/manifest-tree.ts";
import { EXIT, type ExitCode } from "../command.ts";
import { TEST_FOLDERS } from "../manifest-folders.ts";
import { noteDiagnostics, noteError } from "../notes.ts";
import { readInput } from "../read-input.ts";
import type { Terminal } from "../terminal.ts";
import { readVersion } from "../version.ts";
import { conflictLines, conflictsAsJson, conflictsAsSarif } from "./conflict-report.ts";
import { readSeenCalls } from "./seen-calls.ts";
import { workloadsOf } from "./workloads-of-manifests.ts";

export interface ConflictsOptions {
  readonly paths: readonly string[];
  /** Where the workloads are described that there are; empty: not known. */
  readonly inventory: readonly string[];
  /** A file of flow events, `-` for standard input; undefined: it is not known who calls whom. */
  readonly flows: string | undefined;
  readonly format: "text" | "json" | "sarif";
}

export async function showConflicts({ paths, inventory, flows, format }: ConflictsOptions, terminal: Terminal): Promise<ExitCode> {
  const { resources, diagnostics: unread } = await readAccessPolicies(paths);
  const known = inventory.length === 0 ? undefined : await readManifestTree(inventory);
  const workloads = known && workloadsOf(known.documents);
  const seen = flows === undefined ? undefined : readSeenCalls(textOf(flows, terminal), flows, workloads ?? []);
  const { set, diagnostics: mistakes } = compileAccessSet(resources);
  const diagnostics = [...unread, ...(known?.diagnostics ?? []), ...(seen?.diagnostics ?? []), ...mistakes];
  noteDiagnostics(terminal, diagnostics);
  if (resources.length === 0) {
    noteError(terminal, "no access policy", "they are AccessPolicies, NetworkPolicies and ClusterNetworkPolicies");
    return EXIT.unable;
  }
  const conflicts = findConflicts(set, {
    nowMs: Date.now(),
    ...(workloads !== undefined && { inventory: workloads }),
    traffic: { calls: seen?.calls ?? [], edgeLabels: edgeLabelsOf(resources) },
  });
  print(conflicts, diagnostics, format, terminal);
  if (diagnostics.some(({ severity }) => severity === "error")) return EXIT.unable;
  return conflicts.findings.some(({ severity }) => severity === "error") ? EXIT.no : EXIT.yes;
}

const textOf = (path: string, terminal: Terminal): string => new TextDecoder().decode(readInput(path, terminal));

function print(conflicts: Conflicts, diagnostics: readonly Diagnostic[], format: ConflictsOptions["format"], terminal: Terminal): void {
  if (format === "json") terminal.printJson(conflictsAsJson(conflicts));
  else if (format === "sarif") terminal.printJson(conflictsAsSarif(conflicts, diagnostics, readVersion()));
  else for (const line of conflictLines(conflicts, terminal)) terminal.print(line);
}

/** Documents of other kinds are passed over. */
async function readAccessPolicies(
  paths: readonly string[],
): Promise<{ readonly resources: readonly AccessResource[]; readonly diagnostics: readonly Diagnostic[] }> {
  const tree = await readManifestTree(paths, { without: TEST_FOLDERS });
  const parsed = tree.documents.map(parseAccessResource);
  return {
    resources: parsed.flatMap((each) => (each.kind === "access" ? [each.resource] : [])),
    diagnostics: [...tree.diagnostics, ...parsed.flatMap((each) => (each.kind === "refused" ? each.diagnostics : []))],
  };
}
