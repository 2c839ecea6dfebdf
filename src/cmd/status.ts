/** `vigil status`. */
import { formatDuration } from "../lib/duration.ts";
import { EXIT, type ExitCode, type Invocation } from "./command.ts";
import { loadConfiguration } from "./config.ts";
import type { ControlStatus } from "./control/start.ts";
import { askManagement } from "./management-client.ts";
import { noteDiagnostics } from "./notes.ts";
import { alignColumns } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export interface StateOptions {
  readonly state: string | undefined;
  readonly config: string | undefined;
}

/** The state directory that the options mean; undefined, with a note, when the configuration is wrong. */
export function stateDirectoryOf(invocation: Invocation, { state, config }: StateOptions): string | undefined {
  const configuration = loadConfiguration(invocation, config, { "state.directory": { flag: "state", value: state } });
  if (configuration.ok) return configuration.value.values["state.directory"];
  noteDiagnostics(invocation.terminal, configuration.error);
  return undefined;
}

export async function showStatus(invocation: Invocation, options: StateOptions & { readonly format: "text" | "json" }): Promise<ExitCode> {
  const { terminal } = invocation;
  const directory = stateDirectoryOf(invocation, options);
  if (directory === undefined) return EXIT.unable;
  // The cast rests on the version: the server is the control process of the same installation.
  const status = (await askManagement(directory, "GET /v1/status")) as ControlStatus;
  if (options.format === "json") terminal.printJson(status);
  else terminal.print(statusLines(status, terminal).join("\n"));
  return isWell(status) ? EXIT.yes : EXIT.no;
}

/** Everything runs, what was written last is in force, and events are kept. */
const isWell = ({ processes, policies, events }: ControlStatus): boolean =>
  processes.every(({ state }) => state === "ready") &&
  policies.refused === undefined &&
  policies.diagnostics.every(({ severity }) => severity === "warning") &&
  events.state === "ok";

function statusLines(status: ControlStatus, terminal: Terminal): readonly string[] {
  const { version, startedAtMs, processes, policies, admission, events } = status;
  const since = formatDuration(Date.now() - startedAtMs);
  const opening = admission.breakGlass;
  const refused =
    policies.refused === undefined ? "" : `; a newer version was refused with ${policies.refused.diagnostics.length} mistakes`;
  const mistakes = policies.diagnostics.length === 0 ? "" : `, ${policies.diagnostics.length} remarks`;
  const rows = [
    ...processes.map(({ name, state, pid, failures }) => [
      name,
      `${state} (process ${pid}${failures === 0 ? "" : `, lost ${failures} times`})`,
    ]),
    ["policies", `${policies.count} in force from ${policies.sources.join(", ")}${mistakes}${refused}`],
    ["webhook", admission.url],
    [
      "break-glass",
      opening === null
        ? "closed"
        : `OPEN until ${new Date(opening.expiresAtMs).toLocaleTimeString("sv-SE")}: ${opening.reason} (${opening.openedBy})`,
    ],
    [
      "events",
      `${events.committed} kept, ${events.queued} queued, ${events.lost} lost, ${events.error ?? events.state} (${events.directory})`,
    ],
  ];
  return [
    `${terminal.style("bold", `Vigil ${version}`)}, up for ${since}`,
    ...alignColumns(
      rows.map(([name = "", value = ""]) => [`  ${name}`, value]),
      terminal.width,
    ),
  ];
}
