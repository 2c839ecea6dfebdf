/** Where the events of this installation are. */
import { existsSync } from "node:fs";
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
  if (existsSync(directory)) return directory;
  noteError(invocation.terminal, `no events in ${directory}`, "`vigil up` makes them; name its state directory with `--state`");
  return undefined;
}
