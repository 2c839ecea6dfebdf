/** `vigil identity agent`: the node agent alone, for machines whose authority is another one's. */
import { formatDuration } from "../../lib/duration.ts";
import { VigilError } from "../../lib/error.ts";
import type { RemoteSettingsErrorCode } from "../agent/authority-of.ts";
import { EXIT, type ExitCode, type Invocation } from "../command.ts";
import { loadConfiguration } from "../config.ts";
import { createLog } from "../log.ts";
import { noteDiagnostics } from "../notes.ts";
import type { SettingSources } from "../settings.ts";
import { openStateDirectory } from "../state-directory.ts";
import { Supervisor } from "../supervisor.ts";
import { alignColumns } from "../table.ts";
import { aborted, agentProcess, merge, narrator } from "../up/up.ts";
import { readVersion } from "../version.ts";

export interface RunAgentOptions {
  readonly config: string | undefined;
  readonly flags: SettingSources["flags"];
  readonly format: "text" | "json";
}

export async function runAgent(invocation: Invocation, { config, flags, format }: RunAgentOptions): Promise<ExitCode> {
  const { terminal, interruption } = invocation;
  const configuration = loadConfiguration(invocation, config, flags);
  if (!configuration.ok) {
    noteDiagnostics(terminal, configuration.error);
    return EXIT.unable;
  }
  const { values } = configuration.value;
  if (values["identity.authority"] === undefined)
    throw new VigilError<RemoteSettingsErrorCode>("CONFIG_REMOTE_AUTHORITY", "there is no authority to follow", {
      hint: "give `--authority HOST:PORT`; the agent beside an authority is started by `vigil up`",
    });
  const state = await openStateDirectory(values["state.directory"]);
  try {
    const startMs = performance.now();
    const signal = interruption();
    const supervisor = new Supervisor([agentProcess(values, state.path)], narrator(createLog("supervisor")));
    const stopped = aborted(signal).then(() => supervisor.stop());
    try {
      const report = merge(await supervisor.start());
      if (format === "json") terminal.printJson({ ready: true, version: readVersion(), state: state.path, ...report }, 0);
      else {
        const working = [...report.on, { what: "authority", where: values["identity.authority"] }, { what: "state", where: state.path }];
        const rows = working.map(({ what, where }) => [`  ${what}`, where]);
        terminal.print(`Vigil's agent ${readVersion()} is ready (${formatDuration(performance.now() - startMs)})`);
        for (const line of alignColumns(rows, Number.POSITIVE_INFINITY)) terminal.print(line);
        for (const { what, why } of report.off) terminal.print(`  off: ${what}  ${why}`);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    await stopped;
    return signal.reason === "SIGTERM" ? EXIT.yes : EXIT.interrupted;
  } finally {
    state.release();
  }
}
