/** Conflicts of access policies while they are in force: examined again when the policies change, told as events and in the log. */
import { messageOf } from "../../lib/error.ts";
import { compileAccessSet } from "../../policy/access/access-set.ts";
import { ConflictAnalysis } from "../../policy/conflict/conflict-analysis.ts";
import { edgeLabelsOf } from "../../policy/conflict/edge-labels.ts";
import type { Conflicts, Finding } from "../../policy/conflict/finding.ts";
import type { Document } from "../../resource/document.ts";
import { KnownAccessPolicies } from "../known-access-policies.ts";
import type { Log } from "../log.ts";
import type { Evidence } from "./evidence.ts";

export interface ConflictWatchOptions {
  readonly evidence: Pick<Evidence, "acted">;
  readonly log: Log;
}

/** Of one change: further ones are counted. */
const MAX_TOLD = 100;

export class ConflictWatch {
  readonly #options: ConflictWatchOptions;
  readonly #policies = new KnownAccessPolicies();
  readonly #analysis = new ConflictAnalysis();
  #next: readonly Document[] | undefined;

  constructor(options: ConflictWatchOptions) {
    this.#options = options;
  }

  /** Examines what these documents have in force once what is waiting now is done; of several in between only the last. */
  follow(documents: readonly Document[]): void {
    if (this.#next === undefined) setImmediate(() => this.#examine());
    this.#next = documents;
  }

  #examine(): void {
    const documents = this.#next ?? [];
    this.#next = undefined;
    try {
      // Mistakes in them are told by who puts them in force.
      const { resources } = this.#policies.read(documents);
      const { set } = compileAccessSet(resources);
      const traffic = { calls: [], edgeLabels: edgeLabelsOf(resources) };
      this.#tell(this.#analysis.examine(set, { nowMs: Date.now(), traffic }));
    } catch (error) {
      this.#options.log("error", `conflicts of access policies cannot be examined: ${messageOf(error)}`);
    }
  }

  /** What a changed file says again is no news. */
  #tell({ findings, appeared, gone }: Conflicts): void {
    const { log } = this.#options;
    const before = new Set(gone.map(textOf));
    const now = new Set(appeared.map(textOf));
    const found = appeared.filter((finding) => finding.severity !== "note" && !before.has(textOf(finding)));
    const resolved = gone.filter((finding) => finding.severity !== "note" && !now.has(textOf(finding)));
    for (const finding of found.slice(0, MAX_TOLD)) this.#record(finding, finding.severity === "error" ? 4 : 3, "");
    for (const finding of resolved.slice(0, MAX_TOLD)) this.#record(finding, 1, "no longer: ");
    if (found.length + resolved.length === 0) return;
    const count = (severity: Finding["severity"]): number => findings.filter((finding) => finding.severity === severity).length;
    const [errors, warnings] = [count("error"), count("warning")];
    if (errors + warnings === 0) log("info", "no conflicts among access policies any more");
    else log("warning", `access policies conflict: \`vigil policy conflicts\` shows how`, { contradictions: errors, warnings });
  }

  #record({ kind, rule, message }: Finding, severity: 1 | 3 | 4, prefix: string): void {
    this.#options.evidence.acted({
      action: "examine policy",
      object: rule.rule === "" ? rule.policy : `${rule.policy} ${rule.rule}`,
      outcome: "done",
      message: `${prefix}${kind}: ${message} (${rule.source})`,
      subject: "vigil",
      severity,
    });
  }
}

const textOf = ({ kind, rule, direction, message }: Finding): string => JSON.stringify([kind, rule.policy, rule.rule, direction, message]);
