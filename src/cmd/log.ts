/** The log of long-running processes: a line when something changed or failed, not when it works. Text for a terminal, else JSON lines. */
import { safeJson, withoutControls } from "./terminal.ts";

export type LogLevel = "info" | "warning" | "error";
export type Log = (level: LogLevel, message: string, facts?: { readonly [name: string]: string | number }) => void;

/** A log that writes to standard error. */
export function createLog(component: string): Log {
  const isTerminal = process.stderr.isTTY === true;
  return (level, message, facts = {}) => {
    const time = new Date();
    const line = isTerminal
      ? textLine(time, level, message, facts)
      : safeJson({ time: time.toISOString(), level, component, message, ...facts }, 0);
    process.stderr.write(`${line}\n`);
  };
}

function textLine(time: Date, level: LogLevel, message: string, facts: { readonly [name: string]: string | number }): string {
  const clock = time.toTimeString().slice(0, 8);
  const details = Object.entries(facts).map(([name, value]) => `${name}=${value}`);
  return withoutControls([clock, ...(level === "info" ? [] : [`${level}:`]), message, ...details].join("  "));
}
