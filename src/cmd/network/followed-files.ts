/** The files that say who may call whom: policies and registrations, followed; a change that has a mistake is told, and what was before stays. */
import type { Entry } from "../../identity/authority/entry.ts";
import { compileRegistrations } from "../../identity/authority/registrations.ts";
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { messageOf, VigilError } from "../../lib/error.ts";
import { type AccessSet, compileAccessSet } from "../../policy/access/access-set.ts";
import { isPolicy } from "../../resource/access-resource.ts";
import { watchManifests } from "../../resource/directory-source.ts";
import type { ManifestTree } from "../../resource/manifest-tree.ts";
import type { TrustDomain } from "../../spiffe/spiffe-id.ts";
import { KnownAccessPolicies } from "../known-access-policies.ts";
import { TEST_FOLDERS } from "../manifest-folders.ts";
import { policyPaths } from "../policy-set.ts";

export type NetworkFilesErrorCode = "NETWORK_FILES_UNREADABLE";

export interface FollowedFiles {
  readonly set: AccessSet;
  /** How many policies the set is made of. */
  readonly policies: number;
  readonly entries: readonly Entry[];
}

export interface FollowOptions {
  /** As in the setting `policies`. */
  readonly policies: readonly string[];
  readonly registrations: readonly string[];
  readonly trustDomain: TrustDomain;
  /** Trust domains whose workloads are default-deny. */
  readonly deniedByDefault: readonly string[];
  /** Mistakes in a change; what was in force stays. */
  readonly onMistakes: (mistakes: readonly Diagnostic[]) => void;
  /** A failure after which nothing is followed any more. */
  readonly onFailure: (message: string) => void;
}

/** A change is in force a moment after it is written: policies are small, and files that are still being written have mistakes. */
const SETTLE_MS = 10;

/**
 * Resolves with what the files say now, then calls `use` with each later version until the signal aborts. Rejects with
 * `NETWORK_FILES_UNREADABLE` when they have a mistake at first: without the rest less would be enforced than was written.
 */
export async function followFiles(
  options: FollowOptions,
  use: (files: FollowedFiles) => void,
  signal: AbortSignal,
): Promise<FollowedFiles> {
  const parsed = new ParsedPolicies();
  let policies: PolicyPart | undefined;
  let entries: readonly Entry[] | undefined;
  const take = (source: "policies" | "registrations", tree: ManifestTree): readonly Diagnostic[] => {
    if (source === "policies") {
      const read = parsed.read(tree, options);
      if (read.mistakes.length === 0) policies = read;
      return read.mistakes;
    }
    const read = readEntries(tree, options);
    if (read.mistakes.length === 0) entries = read.entries;
    return read.mistakes;
  };
  const current = (): FollowedFiles | undefined => policies && entries && { set: policies.set, policies: policies.count, entries };
  const follow = async (source: "policies" | "registrations", trees: AsyncGenerator<ManifestTree, void>): Promise<void> => {
    try {
      for await (const tree of trees) {
        const mistakes = take(source, tree);
        if (mistakes.length > 0) options.onMistakes(mistakes);
        const files = current();
        if (mistakes.length === 0 && files !== undefined) use(files);
      }
    } catch (error) {
      options.onFailure(messageOf(error));
    }
  };
  const watched = { signal, settleMs: SETTLE_MS };
  const sources = [
    ["policies", watchManifests(policyPaths(options.policies), { ...watched, without: TEST_FOLDERS })],
    ["registrations", watchManifests(options.registrations, watched)],
  ] as const;
  for (const [source, trees] of sources) {
    const tree = await trees.next();
    if (tree.done !== true) refuse(take(source, tree.value));
  }
  const first = current();
  if (first === undefined) throw new VigilError<NetworkFilesErrorCode>("NETWORK_FILES_UNREADABLE", "ended before the policies were read");
  for (const [source, trees] of sources) void follow(source, trees);
  return first;
}

function refuse(mistakes: readonly Diagnostic[]): void {
  const [first] = mistakes;
  if (first === undefined) return;
  const more = mistakes.length > 1 ? ` (and ${mistakes.length - 1} more)` : "";
  throw new VigilError<NetworkFilesErrorCode>(
    "NETWORK_FILES_UNREADABLE",
    `not all access policies can be read: ${first.file}:${first.line}:${first.column}: ${first.message}${more}`,
    { hint: "correct them, or take them out of what `--policy` names; `vigil policy explain` reads them as `vigil up` does" },
  );
}

interface PolicyPart {
  readonly set: AccessSet;
  readonly count: number;
  readonly mistakes: readonly Diagnostic[];
}

const isError = ({ severity }: Diagnostic): boolean => severity === "error";

class ParsedPolicies {
  readonly #known = new KnownAccessPolicies();

  read({ documents, diagnostics: unread }: ManifestTree, { deniedByDefault }: FollowOptions): PolicyPart {
    const { resources, mistakes } = this.#known.read(documents);
    const { set, diagnostics } = compileAccessSet(resources, { deniedByDefault });
    return {
      set,
      count: resources.filter(isPolicy).length,
      mistakes: [...unread.filter(isError), ...mistakes, ...diagnostics.filter(isError)],
    };
  }
}

function readEntries(
  tree: ManifestTree,
  { trustDomain }: FollowOptions,
): { readonly entries: readonly Entry[]; readonly mistakes: readonly Diagnostic[] } {
  const { registrations, diagnostics } = compileRegistrations(tree.documents, { trustDomain, builtIn: [] });
  return { entries: [...registrations.entries.values()], mistakes: [...tree.diagnostics, ...diagnostics].filter(isError) };
}
