/** `vigil check`. */
import { setImmediate } from "node:timers/promises";
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { readDocuments } from "../../resource/document.ts";
import { EXIT, type ExitCode } from "../command.ts";
import { compilePolicySet } from "../compile-policy-set.ts";
import { manifestFiles } from "../manifest-files.ts";
import { noteDiagnostics } from "../notes.ts";
import { worldOf } from "../object-world.ts";
import { type PolicySet, readPolicySet } from "../policy-set.ts";
import { readInput, STANDARD_INPUT } from "../read-input.ts";
import type { Terminal } from "../terminal.ts";
import { readVersion } from "../version.ts";
import { jsonReport } from "./json.ts";
import { type Judge, judgeManifest, type Manifest } from "./judge-manifests.ts";
import { junitReport } from "./junit.ts";
import { type CheckedObject, type Report, summarise } from "./report.ts";
import { sarifReport } from "./sarif.ts";
import { textReport } from "./text.ts";

export interface CheckOptions {
  readonly paths: readonly string[];
  readonly policies: readonly string[];
  /** Of namespaced objects that name none. */
  readonly namespace: string;
  /** Warnings and audit entries are violations too. */
  readonly strict: boolean;
  readonly format: "text" | "json" | "sarif" | "junit";
}

export async function check(options: CheckOptions, terminal: Terminal): Promise<ExitCode> {
  const startMs = performance.now();
  const policySet = await readPolicySet(options.policies);
  const manifests = await readManifests(options.paths, terminal);
  const documents = manifests.documents.map(({ document }) => document);
  const { snapshot, diagnostics, resourceTypeOf } = compilePolicySet(policySet, "bound", documents);
  // Namespaces and parameters may stand among the manifests as well as beside the policies.
  const objects = [...policySet.others, ...documents].map(({ value }) => value);
  const world = worldOf(objects, resourceTypeOf, Date.now());
  const judge: Judge = { snapshot, world, review: { resourceTypeOf, defaultNamespace: options.namespace } };
  const judged = await judgeAll(manifests.documents, judge, terminal);
  const report: Report = {
    objects: judged.objects,
    passedOver: judged.passedOver,
    diagnostics: [...diagnostics, ...noPolicy(policySet), ...manifests.diagnostics, ...judged.diagnostics],
    policies: new Set(snapshot.policies.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`)).size,
    snapshotId: snapshot.id,
    durationMs: performance.now() - startMs,
  };
  print(report, options.format, terminal);
  return exitCodeOf(report, options.strict);
}

/** Without policies everything would be clean. */
const noPolicy = ({ resources, diagnostics }: PolicySet): readonly Diagnostic[] =>
  resources.length + diagnostics.length > 0
    ? []
    : [
        {
          code: "INPUT_COUNT",
          severity: "error",
          message: "expected policies, got none",
          file: "<policies>",
          line: 1,
          column: 1,
          length: 1,
        },
      ];

/** What could not be judged weighs more than what was refused: it may hide more of it. */
function exitCodeOf(report: Report, isStrict: boolean): ExitCode {
  const { errors, denied, warned } = summarise(report);
  if (errors > 0) return EXIT.unable;
  return denied > 0 || (isStrict && warned > 0) ? EXIT.no : EXIT.yes;
}

interface Manifests {
  readonly documents: readonly Manifest[];
  readonly diagnostics: readonly Diagnostic[];
}

async function readManifests(paths: readonly string[], terminal: Terminal): Promise<Manifests> {
  const { files, diagnostics: unreadable } = await manifestFiles(paths);
  const documents: Manifest[] = [];
  const diagnostics: Diagnostic[] = [...unreadable];
  for (const [index, { path, wasFound }] of files.entries()) {
    if (index % 100 === 99) terminal.progress(`reading ${index} of ${files.length} files`);
    const read = readDocuments(readInput(path, terminal), path === "-" ? STANDARD_INPUT : path);
    diagnostics.push(...read.diagnostics);
    if (!wasFound && read.documents.length + read.diagnostics.length === 0) diagnostics.push(empty(path));
    for (const document of read.documents) documents.push({ document, wasFound });
  }
  terminal.progress(null);
  return { documents, diagnostics };
}

/** Most often, what should have written it has failed. */
const empty = (path: string): Diagnostic => {
  const file = path === "-" ? STANDARD_INPUT : path;
  return { code: "INPUT_COUNT", severity: "error", message: "expected a manifest, got none", file, line: 1, column: 1, length: 1 };
};

const PROGRESS_EVERY = 500;

async function judgeAll(
  manifests: readonly Manifest[],
  judge: Judge,
  terminal: Terminal,
): Promise<Pick<Report, "objects" | "passedOver" | "diagnostics">> {
  const objects: CheckedObject[] = [];
  const diagnostics: Diagnostic[] = [];
  let passedOver = 0;
  for (const [index, manifest] of manifests.entries()) {
    if (index % PROGRESS_EVERY === PROGRESS_EVERY - 1) {
      terminal.progress(`judging ${index + 1} of ${manifests.length} objects`);
      await setImmediate();
    }
    const judged = judgeManifest(manifest, judge);
    if (judged.kind === "object") objects.push(judged.object);
    else if (judged.kind === "refused") diagnostics.push(judged.diagnostic);
    else passedOver++;
  }
  terminal.progress(null);
  return { objects, passedOver, diagnostics };
}

function print(report: Report, format: CheckOptions["format"], terminal: Terminal): void {
  noteDiagnostics(terminal, report.diagnostics);
  if (format === "text") terminal.print(textReport(report, terminal));
  else if (format === "json") terminal.printJson(jsonReport(report));
  else if (format === "sarif") terminal.printJson(sarifReport(report, readVersion()));
  else terminal.print(junitReport(report));
}
