/** The registrations in force: read from their directory, and replaced as a whole when it changes. */

import { authorityError } from "../../identity/authority/authority-error.ts";
import type { Entry } from "../../identity/authority/entry.ts";
import { compileRegistrations, type Registrations } from "../../identity/authority/registrations.ts";
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { messageOf } from "../../lib/error.ts";
import { watchManifests } from "../../resource/directory-source.ts";
import type { ManifestTree } from "../../resource/manifest-tree.ts";
import type { TrustDomain } from "../../spiffe/spiffe-id.ts";
import type { Log } from "../log.ts";

export interface RegistrationSourceOptions {
  readonly paths: readonly string[];
  readonly trustDomain: TrustDomain;
  readonly builtIn: readonly Entry[];
  readonly log: Log;
  /** Mistakes leave the last good ones in force. */
  readonly onRefused: (diagnostics: readonly Diagnostic[]) => void;
}

export interface RegistrationSource {
  readonly first: Registrations;
  /** Calls `use` with each later version, until the signal aborts. */
  follow(use: (registrations: Registrations) => void): Promise<void>;
}

/** Rejects with `AUTHORITY_REGISTRATIONS_UNREADABLE` when they have a mistake: a rule that is left out would allow more than was written. */
export async function openRegistrations(options: RegistrationSourceOptions, signal: AbortSignal): Promise<RegistrationSource> {
  const trees = watchManifests(options.paths, { signal });
  const tree = await trees.next();
  const { registrations: first, problems } = compile(tree.done === true ? undefined : tree.value, options);
  const [problem] = problems;
  if (problem !== undefined) {
    report(problems, options.log);
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
    throw authorityError(
      "AUTHORITY_REGISTRATIONS_UNREADABLE",
      `not all registrations can be read: ${problem.file}:${problem.line}:${problem.column}: ${problem.message}${more}`,
      { hint: "correct them, or take them out of what `identity.registrations` names" },
    );
  }
  return {
    first,
    follow: async (use) => {
      try {
        for await (const next of trees) {
          const { registrations, problems: mistakes } = compile(next, options);
          report(mistakes, options.log);
          if (mistakes.length > 0) options.onRefused(mistakes);
          else use(registrations);
        }
      } catch (thrown) {
        options.log("error", `the registrations are no longer watched: ${messageOf(thrown)}`);
      }
    },
  };
}

function compile(
  tree: ManifestTree | undefined,
  { trustDomain, builtIn }: RegistrationSourceOptions,
): { readonly registrations: Registrations; readonly problems: readonly Diagnostic[] } {
  const { registrations, diagnostics } = compileRegistrations(tree?.documents ?? [], { trustDomain, builtIn });
  const problems = [...(tree?.diagnostics ?? []), ...diagnostics].filter(({ severity }) => severity === "error");
  return { registrations, problems };
}

function report(problems: readonly Diagnostic[], log: Log): void {
  for (const { code, message, file, line, column } of problems.slice(0, MAX_REPORTED))
    log("error", `${file}:${line}:${column}: ${message}`, { code });
}

const MAX_REPORTED = 20;
