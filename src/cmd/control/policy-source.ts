/** The policies in force: read from their sources, compiled, and replaced as a whole when they change. */
import { ActiveSnapshot, type SnapshotStatus } from "../../admission/active-snapshot.ts";
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { messageOf, VigilError } from "../../lib/error.ts";
import type { World } from "../../policy/review.ts";
import type { Snapshot } from "../../policy/snapshot.ts";
import { watchManifests } from "../../resource/directory-source.ts";
import { type ManifestTree, type ManifestTreeErrorCode, readManifestTree } from "../../resource/manifest-tree.ts";
import { compilePolicySet } from "../compile-policy-set.ts";
import type { Log } from "../log.ts";
import { TEST_FOLDERS } from "../manifest-folders.ts";
import { worldOf } from "../object-world.ts";
import { policyPaths, policySetOf } from "../policy-set.ts";
import { ConflictWatch } from "./conflict-watch.ts";
import type { Evidence } from "./evidence.ts";

export type ControlErrorCode = "CONTROL_POLICIES_UNREADABLE";

/** A snapshot with the objects that stand beside its policies. */
interface InForce {
  readonly id: string;
  readonly snapshot: Snapshot;
  readonly world: World;
}

export interface PolicySourceOptions {
  /** As in the setting `policies`. */
  readonly sources: readonly string[];
  readonly evidence: Pick<Evidence, "acted">;
  readonly log: Log;
}

export class PolicySource {
  readonly #options: PolicySourceOptions;
  readonly #active = new ActiveSnapshot<InForce>();
  readonly #conflicts: ConflictWatch;

  constructor(options: PolicySourceOptions) {
    this.#options = options;
    this.#conflicts = new ConflictWatch(options);
  }

  /** What decides now; undefined until the first set has been read. */
  get current(): InForce | undefined {
    return this.#active.current;
  }

  get status(): SnapshotStatus {
    return this.#active.status;
  }

  /** Policies by their own names, without what is derived from them. */
  get count(): number {
    return new Set(this.current?.snapshot.policies.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`)).size;
  }

  /** Reads and compiles everything anew. What has a mistake leaves what was in force in place, and is reported. */
  async reload(): Promise<readonly Diagnostic[]> {
    return this.#use(await readManifestTree(policyPaths(this.#options.sources), { without: TEST_FOLDERS }));
  }

  /**
   * Follows the sources until the signal aborts. Resolves when the first set is in force. Throws `RESOURCE_UNREADABLE` when a source
   * cannot be read at the start, `CONTROL_POLICIES_UNREADABLE` when a document in it cannot: there is no last good set that could go
   * on, and without those policies more would be allowed. A policy that is read and does not compile is decided by its failurePolicy.
   */
  async follow(signal: AbortSignal): Promise<void> {
    const trees = watchManifests(policyPaths(this.#options.sources), { signal, without: TEST_FOLDERS });
    const { value: first } = await trees.next();
    if (first !== undefined) {
      refuseUnreadable(first);
      this.#refuseUnparsed(policySetOf(first).diagnostics);
      this.#use(first);
    }
    void this.#followOn(trees);
  }

  #refuseUnparsed(diagnostics: readonly Diagnostic[]): void {
    const errors = diagnostics.filter(({ severity }) => severity === "error");
    const [first] = errors;
    if (first === undefined) return;
    for (const { code, message, file, line, column } of errors)
      this.#options.log("error", `${file}:${line}:${column}: ${message}`, { code });
    const where = `${first.file}:${first.line}:${first.column}`;
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
    throw new VigilError<ControlErrorCode>(
      "CONTROL_POLICIES_UNREADABLE",
      `not all policies can be read: ${where}: ${first.message}${more}`,
      {
        hint: "correct them, or take them out of what `--policy` names; `vigil policy lint` shows each with its line",
      },
    );
  }

  async #followOn(trees: AsyncIterable<ManifestTree>): Promise<void> {
    try {
      for await (const tree of trees) this.#use(tree);
    } catch (error) {
      this.#options.log("error", `the policies are no longer watched: ${messageOf(error)}`);
    }
  }

  #use(tree: ManifestTree): readonly Diagnostic[] {
    const { log } = this.#options;
    const set = policySetOf(tree);
    const { snapshot, diagnostics, resourceTypeOf } = compilePolicySet(set, "inactive");
    this.#conflicts.follow(set.others);
    const objects = set.others.map(({ value }) => value);
    const world = worldOf(objects, resourceTypeOf, Date.now());
    const outcome = this.#active.offer({ snapshot: { id: snapshot.id, snapshot, world }, diagnostics }, Date.now());
    if (outcome !== "unchanged") this.#report(outcome, snapshot.id, diagnostics);
    for (const { severity, code, message, file, line, column } of diagnostics)
      log(severity, `${file}:${line}:${column}: ${message}`, { code });
    return diagnostics;
  }

  #report(outcome: "activated" | "refused", id: string, diagnostics: readonly Diagnostic[]): void {
    const { evidence, log } = this.#options;
    const message =
      outcome === "refused"
        ? `the policies have mistakes (${diagnostics.length}); those before stay in force`
        : this.count === 0
          ? "no policies are in force: every review is allowed"
          : `${this.count} policies are in force`;
    log(outcome === "refused" ? "error" : this.count === 0 ? "warning" : "info", message, { snapshot: id.slice(0, 12) });
    evidence.acted({
      action: "activate policies",
      object: `snapshot ${id.slice(0, 12)}`,
      outcome: outcome === "activated" ? "done" : "refused",
      message,
      subject: "vigil",
      severity: outcome === "activated" ? 1 : 4,
    });
  }
}

function refuseUnreadable({ diagnostics }: ManifestTree): void {
  const unreadable = diagnostics.find(({ code }) => code === ("RESOURCE_UNREADABLE" satisfies ManifestTreeErrorCode));
  if (unreadable === undefined) return;
  throw new VigilError<ManifestTreeErrorCode>("RESOURCE_UNREADABLE", `not all policies can be read: ${unreadable.message}`, {
    hint: "check `--policy` and the setting `policies`, and the permissions there",
  });
}
