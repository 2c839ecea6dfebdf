/** Where the events of this installation are. */
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import type { Invocation } from "../command.ts";
import { loadConfiguration } from "../config.ts";
import { noteDiagnostics, noteError } from "../notes.ts";

/** The folder of the state directory that holds the events. */
export const EVENTS_FOLDER = "events";

/** The directory of the store; undefined, with a note, when there is none. */
export function findEventStore(
  invocation: Pick<Invocation, "terminal" | "environment">,
  { state, config }: { readonly state: string | undefined; readonly config: string | undefined },
): string | undefined {
  const configuration = loadConfiguration(invocation, config, { "state.directory": { flag: "state", value: state } });
  if (!configuration.ok) {
    noteDiagnostics(invocation.terminal, configuration.error);
    return undefined;
  }
  const directory = join(configuration.value.values["state.directory"], EVENTS_FOLDER);
  try {
    accessSync(directory, constants.R_OK | constants.X_OK);
    return directory;
  } catch (error) {
    const isForbidden = error instanceof Error && "code" in error && error.code === "EACCES";
    if (isForbidden) noteError(invocation.terminal, `the events in ${directory} are another user's`, "ask as the user that runs Vigil");
    else noteError(invocation.terminal, `no events in ${directory}`, "`vigil up` makes them; name its state directory with `--state`");
    return undefined;
  }
}
