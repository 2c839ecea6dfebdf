/** Policies from files: what is to be compiled, and the objects beside them that they refer to. */
import { join } from "node:path";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { type Document, readDocuments } from "../resource/document.ts";
import { type PolicyResource, parsePolicyResource } from "../resource/policy-resource.ts";
import { manifestFiles } from "./manifest-files.ts";
import { readInput, STANDARD_INPUT } from "./read-input.ts";
import type { Terminal } from "./terminal.ts";
import { PACKAGE_ROOT } from "./version.ts";

/** What `--policy` and `policies:` take beside paths: the packs that ship with Vigil, all or one (`builtin/rbac`). */
export const BUILT_IN = "builtin";

export interface PolicySet {
  readonly resources: readonly PolicyResource[];
  /** Parameters, namespaces, definitions: documents that are no policies. */
  readonly others: readonly Document[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Folders of tests: what they hold is not meant to be in force. */
export const TEST_FOLDERS: readonly string[] = ["test", "tests"];

/** The path that a name of a policy source means. */
export const policyPath = (source: string): string =>
  source === BUILT_IN || source.startsWith(`${BUILT_IN}/`) ? join(PACKAGE_ROOT, `packs${source.slice(BUILT_IN.length)}`) : source;

/** Reads all policies of the sources (the built-in ones when there is none). Throws `INPUT_UNREADABLE` for a source that is not there. */
export function readPolicySet(sources: readonly string[], terminal: Pick<Terminal, "readInput">): PolicySet {
  const named = sources.length === 0 ? [BUILT_IN] : sources;
  const files = named.flatMap((source) => manifestFiles(policyPath(source), TEST_FOLDERS));
  const resources: PolicyResource[] = [];
  const others: Document[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const { path } of files) {
    const read = readDocuments(readInput(path, terminal), path === "-" ? STANDARD_INPUT : path);
    diagnostics.push(...read.diagnostics);
    for (const document of read.documents) {
      const parsed = parsePolicyResource(document);
      if (parsed.kind === "policy") resources.push(parsed.resource);
      else if (parsed.kind === "other") others.push(document);
      else diagnostics.push(...parsed.diagnostics);
    }
  }
  return { resources, others, diagnostics };
}
