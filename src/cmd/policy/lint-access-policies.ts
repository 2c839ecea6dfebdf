/** What `vigil policy lint` says of access and network policies. */
import { Resolver } from "node:dns/promises";
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { compileAccessSet } from "../../policy/access/access-set.ts";
import { type Endpoint, endpoint } from "../../policy/access/endpoint.ts";
import { findConflicts } from "../../policy/conflict/conflict-analysis.ts";
import { edgeLabelsOf } from "../../policy/conflict/edge-labels.ts";
import { lintAccess } from "../../policy/lint-access.ts";
import { type AccessResource, isPolicy } from "../../resource/access-resource.ts";
import { type Document, diagnose } from "../../resource/document.ts";
import { parseIdentityResource } from "../../resource/identity-resource.ts";
import { parseSpiffeId, trustDomainOf } from "../../spiffe/spiffe-id.ts";
import { conflictDiagnostics } from "./conflict-diagnostics.ts";
import { accessResourcesOf } from "./explain-access-text.ts";

export interface LintedAccess {
  /** How many there are. */
  readonly policies: number;
  readonly diagnostics: readonly Diagnostic[];
}

/** Of the documents that are no admission policies. Those of `Workload`s are who is known. */
export async function lintAccessPolicies(documents: readonly Document[], resolvesNames: boolean): Promise<LintedAccess> {
  const { resources, diagnostics } = accessResourcesOf(documents);
  const compiled = compileAccessSet(resources);
  const world = { workloads: documents.flatMap(workloadOf), nowMs: Date.now() };
  return {
    policies: resources.filter(isPolicy).length,
    diagnostics: [
      ...diagnostics,
      ...compiled.diagnostics,
      ...lintAccess(resources, world),
      ...conflictDiagnostics(
        findConflicts(compiled.set, { nowMs: world.nowMs, traffic: { calls: [], edgeLabels: edgeLabelsOf(resources) } }),
      ),
      ...(resolvesNames ? await unresolvedNames(resources) : []),
    ],
  };
}

function workloadOf(document: Document): readonly Endpoint[] {
  const parsed = parseIdentityResource(document);
  if (parsed.kind !== "identity" || parsed.resource.kind !== "Workload") return [];
  const { id, metadata } = parsed.resource;
  const { name, namespace, labels } = metadata;
  const read = id === undefined ? undefined : parseSpiffeId(id);
  const identity = read?.ok === true && id !== undefined ? { spiffeId: id, trustDomain: trustDomainOf(read.value) } : {};
  return [endpoint("workload", { name, namespace, labels, ...identity })];
}

const TIMEOUT_MS = 2_000;
const AT_ONCE = 16;

/** Names that have no address now. Patterns have none to ask for. */
async function unresolvedNames(resources: readonly AccessResource[]): Promise<readonly Diagnostic[]> {
  const named = resources.flatMap((resource) =>
    resource.kind === "AccessPolicy"
      ? resource.to.flatMap((peer, index) =>
          peer.kind === "dns" && !peer.pattern.startsWith("*") ? [{ resource, index, name: peer.pattern }] : [],
        )
      : [],
  );
  const names = [...new Set(named.map(({ name }) => name))];
  const missing = new Map<string, string>();
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 1 });
  const next = names.values();
  const ask = async (): Promise<void> => {
    for (const name of next) {
      const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
      if (answers.some(({ status }) => status === "fulfilled")) continue;
      missing.set(name, answers.map((answer) => (answer.status === "rejected" ? codeOf(answer.reason) : "")).join(", "));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  return named.flatMap(({ resource, index, name }) => {
    const why = missing.get(name);
    if (why === undefined) return [];
    const message = `the name \`${name}\` has no address here (${why})`;
    return [
      diagnose(resource.document, ["spec", "to", index, "dns"], {
        code: "ACCESS_NAME_UNRESOLVED",
        severity: "warning",
        message,
        hint: "nobody is reached by it until it has one",
      }),
    ];
  });
}

const codeOf = (thrown: unknown): string => (thrown instanceof Error && "code" in thrown ? String(thrown.code) : String(thrown));
