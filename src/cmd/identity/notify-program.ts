/** Tells a program that its identity files have changed: by a signal, or by a command. */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { messageOf, VigilError } from "../../lib/error.ts";

export type NotifyErrorCode = "IDENTITY_NOTIFY";

/** Of a process number, or of the file that holds one. Rejects with `IDENTITY_NOTIFY`. */
export async function signalProgram(target: string, signal: NodeJS.Signals): Promise<void> {
  const text = /^\d+$/.test(target) ? target : await readPidFile(target);
  const pid = Number(text.trim());
  // 0 and negative numbers mean groups; 1 is nobody's worker.
  if (!/^\d{1,10}$/.test(text.trim()) || pid < 2) throw failure(`expected a process number, got \`${text.trim().slice(0, 20)}\``);
  try {
    process.kill(pid, signal);
  } catch (thrown) {
    throw failure(`cannot send ${signal} to process ${pid}: ${messageOf(thrown)}`, thrown);
  }
}

async function readPidFile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    throw failure(`cannot read the process number in \`${path}\`: ${messageOf(thrown)}`, thrown);
  }
}

const MAX_COMMAND_MS = 60_000;

/** Runs a command line with `sh -c` to its end, with this environment. Rejects with `IDENTITY_NOTIFY` when it fails or takes a minute. */
export async function runCommand(line: string, environment: { readonly [name: string]: string | undefined }): Promise<void> {
  const child = spawn("sh", ["-c", line], { stdio: ["ignore", "inherit", "inherit"], env: { ...environment }, timeout: MAX_COMMAND_MS });
  const outcome = await new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(messageOf(error)));
    child.once("exit", (status, signal) =>
      resolve(status === 0 ? undefined : signal === null ? `it ended with ${status}` : `it ended by ${signal}`),
    );
  });
  if (outcome !== undefined) throw failure(`the command \`${line}\` failed: ${outcome}`);
}

const failure = (message: string, cause?: unknown): VigilError<NotifyErrorCode> =>
  new VigilError<NotifyErrorCode>("IDENTITY_NOTIFY", message, {
    hint: "the files are in place; the program that uses them may still hold the old ones",
    cause,
  });
