/** The rules that judge what processes do: read from their files, and replaced as a whole when these change and have no mistake. */
import { type CompiledRules, compileRules } from "../../falco/compile.ts";
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { messageOf } from "../../lib/error.ts";
import type { RuntimeRules } from "../../policy/compile-runtime-policy.ts";
import { watchManifests } from "../../resource/directory-source.ts";
import type { Log } from "../log.ts";
import { TEST_FOLDERS } from "../manifest-folders.ts";
import { testFiles } from "../policy/test.ts";
import { loadRuntimeRules } from "../runtime/load-rules.ts";

export interface RulesInForce {
  readonly policies: RuntimeRules;
  /** Those that are switched on. */
  readonly falco: CompiledRules;
  readonly count: number;
}

export interface ReadRules {
  readonly rules: RulesInForce;
  readonly mistakes: readonly Diagnostic[];
}

/** The sensor has no standard input to read rules from. */
const NO_INPUT = { readInput: () => new Uint8Array() };

/** Reads and compiles all rules. Throws `INPUT_UNREADABLE` where a path cannot be read. */
export function readRuntimeRules(paths: readonly string[]): ReadRules {
  const files = paths.flatMap((path) => testFiles(path, (name) => name.endsWith(".yaml") || name.endsWith(".yml")));
  const { policies, ruleSet, diagnostics } = loadRuntimeRules(files, NO_INPUT);
  const falco = compileRules(ruleSet);
  return {
    rules: { policies, falco, count: policies.policies.length + falco.rules.length },
    mistakes: diagnostics.filter(({ severity }) => severity === "error"),
  };
}

export const placeOf = ({ file, line, column, message }: Diagnostic): string => `${file}:${line}:${column}: ${message}`;

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** Of the files, when the rules in force were read from them. */
  readonly contentHash: string;
  readonly log: Log;
  /** The new rules: they have no mistake. */
  readonly onRules: (rules: RulesInForce) => void;
  /** What was changed cannot be used; what was in force stays. */
  readonly onRefused: (problems: readonly string[]) => void;
}

/** Reads the rules again whenever their files change, until the signal aborts. */
export async function followRuntimeRules(
  paths: readonly string[],
  { signal, contentHash, log, onRules, onRefused }: FollowOptions,
): Promise<void> {
  try {
    let isFirst = true;
    for await (const tree of watchManifests(paths, { signal, without: TEST_FOLDERS })) {
      if (!isFirst || tree.contentHash !== contentHash) useChange(paths, onRules, onRefused);
      isFirst = false;
    }
  } catch (error) {
    log("error", `the rules are no longer watched: ${messageOf(error)}`);
  }
}

/** All rules, when none has a mistake. */
function usableRules(paths: readonly string[]): { readonly rules: RulesInForce | undefined; readonly problems: readonly string[] } {
  try {
    const { rules, mistakes } = readRuntimeRules(paths);
    if (mistakes.length > 0) return { rules: undefined, problems: mistakes.map(placeOf) };
    if (rules.count === 0) return { rules: undefined, problems: [`no rule is left in ${paths.join(", ")}`] };
    return { rules, problems: [] };
  } catch (error) {
    return { rules: undefined, problems: [messageOf(error)] };
  }
}

function useChange(paths: readonly string[], onRules: FollowOptions["onRules"], onRefused: FollowOptions["onRefused"]): void {
  const { rules, problems } = usableRules(paths);
  if (rules === undefined) onRefused(problems);
  else onRules(rules);
}
