/** `vigil config show`. */
import { formatDuration } from "../lib/duration.ts";
import { EXIT, type ExitCode, type Flag, type Invocation } from "./command.ts";
import { loadConfiguration } from "./config.ts";
import { noteDiagnostics } from "./notes.ts";
import { environmentName, SETTINGS } from "./settings.ts";
import { alignColumns } from "./table.ts";

export function showConfiguration(
  invocation: Pick<Invocation, "terminal" | "environment">,
  named: string | undefined,
  format: "text" | "json",
): ExitCode {
  const { terminal } = invocation;
  const configuration = loadConfiguration(invocation, named);
  if (!configuration.ok) {
    noteDiagnostics(terminal, configuration.error);
    return EXIT.unable;
  }
  const { values, origins, file } = configuration.value;
  const rows = Object.entries<Flag>(SETTINGS).map(([key, setting]) => ({
    key,
    setting,
    value: memberOf(key, values),
    origin: memberOf(key, origins),
  }));
  if (format === "json") {
    const settings = rows.map(({ key, setting, value, origin }) => {
      const written = setting.kind === "duration" ? `${value}ms` : value;
      return [key, { value: written, origin, environment: environmentName(key) }];
    });
    terminal.printJson({ file: file ?? null, settings: Object.fromEntries(settings) });
    return EXIT.yes;
  }
  const lines = rows.map(({ key, setting, value, origin }) => [key, showValue(setting, value), terminal.style("dim", String(origin))]);
  terminal.print(alignColumns([["SETTING", "VALUE", "FROM"], ...lines], terminal.width).join("\n"));
  return EXIT.yes;
}

const memberOf = (key: string, values: object): unknown => Object.entries(values).find(([name]) => name === key)?.[1];

function showValue(setting: Flag, value: unknown): string {
  if (Array.isArray(value)) return value.join(", ") || "(none)";
  return setting.kind === "duration" ? formatDuration(Number(value)) : String(value);
}
