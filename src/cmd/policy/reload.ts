/** `vigil policy reload`: makes the running Vigil read its policies now, and shows what is wrong with them. */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { EXIT, type ExitCode, type Invocation } from "../command.ts";
import type { ControlStatus } from "../control/start.ts";
import { askManagement } from "../management-client.ts";
import { noteDiagnostics } from "../notes.ts";
import { type StateOptions, stateDirectoryOf } from "../status.ts";

export async function reloadPolicies(invocation: Invocation, options: StateOptions): Promise<ExitCode> {
  const { terminal } = invocation;
  const directory = stateDirectoryOf(invocation, options);
  if (directory === undefined) return EXIT.unable;
  // The cast rests on the version: the server is the control process of the same installation.
  const { diagnostics, policies } = (await askManagement(directory, "POST /v1/reload")) as {
    readonly diagnostics: readonly Diagnostic[];
    readonly policies: ControlStatus["policies"];
  };
  noteDiagnostics(terminal, diagnostics);
  const isRefused = policies.refused !== undefined;
  terminal.print(`${policies.count} policies are in force${isRefused ? ", those from before: what there is now has mistakes" : ""}`);
  return isRefused ? EXIT.no : EXIT.yes;
}
