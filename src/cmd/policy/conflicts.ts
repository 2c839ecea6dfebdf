/** `vigil policy conflicts`: what policies make of each other. */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { compileAccessSet } from "../../policy/access/access-set.ts";
import type { AdmissionConflicts } from "../../policy/admission-conflict/admission-finding.ts";
import { findConflicts } from "../../policy/conflict/conflict-analysis.ts";
import { edgeLabelsOf } from "../../policy/conflict/edge-labels.ts";
import { type ManifestTree, readManifestTree } from "../../resource/manifest-tree.ts";
import { EXIT, type ExitCode } from "../command.ts";
import { KnownAccessPolicies } from "../known-access-policies.ts";
import { TEST_FOLDERS } from "../manifest-folders.ts";
import { noteDiagnostics, noteError } from "../notes.ts";
import { readInput } from "../read-input.ts";
import type { Terminal } from "../terminal.ts";
import { readVersion } from "../version.ts";
import { type AllConflicts, conflictLines, conflictsAsJson, conflictsAsSarif } from "./conflict-report.ts";
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
  const tree = await readManifestTree(paths, { without: TEST_FOLDERS });
  const { resources, mistakes: unread } = new KnownAccessPolicies().read(tree.documents);
  const known = inventory.length === 0 ? undefined : await readManifestTree(inventory);
  const workloads = known && workloadsOf(known.documents);
  const seen = flows === undefined ? undefined : readSeenCalls(textOf(flows, terminal), flows, workloads ?? []);
  const { set, diagnostics: mistakes } = compileAccessSet(resources);
  const admission = await admissionConflictsOf(tree);
  const diagnostics = [
    ...[...tree.diagnostics, ...unread, ...mistakes],
    ...[...(known?.diagnostics ?? []), ...(seen?.diagnostics ?? []), ...(admission?.mistakes ?? [])],
  ];
  noteDiagnostics(terminal, diagnostics);
  if (resources.length === 0 && admission === undefined) {
    noteError(terminal, "no policy", "they are AccessPolicies, network policies, and policies and exceptions for admission");
    return EXIT.unable;
  }
  const conflicts = findConflicts(set, {
    nowMs: Date.now(),
    ...(workloads !== undefined && { inventory: workloads }),
    traffic: { calls: seen?.calls ?? [], edgeLabels: edgeLabelsOf(resources) },
  });
  print({ access: conflicts, admission: admission?.conflicts ?? NO_ADMISSION }, diagnostics, format, terminal);
  if (diagnostics.some(({ severity }) => severity === "error")) return EXIT.unable;
  return conflicts.findings.some(({ severity }) => severity === "error") ? EXIT.no : EXIT.yes;
}

const NO_ADMISSION: AdmissionConflicts = { findings: [], unknown: 0 };

/** Undefined where there are none. The engine that judges admission is loaded only where it is needed. */
async function admissionConflictsOf(
  tree: ManifestTree,
): Promise<{ readonly conflicts: AdmissionConflicts; readonly mistakes: readonly Diagnostic[] } | undefined> {
  if (!tree.documents.some(({ value: { apiVersion } }) => typeof apiVersion === "string" && ADMISSION_GROUPS.test(apiVersion)))
    return undefined;
  const { examineAdmission } = await import("./examine-admission.ts");
  return examineAdmission(tree);
}

const ADMISSION_GROUPS = /^(?:admissionregistration\.k8s\.io|policies\.kyverno\.io|kyverno\.io)\//;

const textOf = (path: string, terminal: Terminal): string => new TextDecoder().decode(readInput(path, terminal));

function print(conflicts: AllConflicts, diagnostics: readonly Diagnostic[], format: ConflictsOptions["format"], terminal: Terminal): void {
  if (format === "json") terminal.printJson(conflictsAsJson(conflicts));
  else if (format === "sarif") terminal.printJson(conflictsAsSarif(conflicts, diagnostics, readVersion()));
  else for (const line of conflictLines(conflicts, terminal)) terminal.print(line);
}
