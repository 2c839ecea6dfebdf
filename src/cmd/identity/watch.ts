/** `vigil identity watch`. */
import { EXIT, type ExitCode, type Invocation } from "../command.ts";
import { createLog } from "../log.ts";
import { noteError } from "../notes.ts";
import { IdentityDirectory } from "./identity-directory.ts";
import { keepFiles } from "./keep-files.ts";
import { runCommand, signalProgram } from "./notify-program.ts";
import { endpointOf } from "./open-identity.ts";
import { openWorkloadFeed } from "./workload-feed.ts";

export interface WatchFlags {
  readonly dir: string | undefined;
  readonly jwt: readonly string[];
  readonly signal: string | undefined;
  readonly "signal-name": "HUP" | "USR1" | "USR2";
  readonly exec: string | undefined;
  readonly once: boolean;
  readonly wait: number;
  readonly hint: string | undefined;
  readonly socket: string | undefined;
}

export async function watchIdentity(invocation: Invocation, flags: WatchFlags): Promise<ExitCode> {
  const { terminal, environment } = invocation;
  if (flags.dir === undefined) {
    noteError(terminal, "`--dir` is missing", "name a directory of its own for the files");
    return EXIT.unable;
  }
  const audiences = new Map<string, string>();
  for (const text of flags.jwt) {
    const [, audience = "", file = ""] = /^(.+)=([^=]+)$/.exec(text) ?? [];
    if (!FILE_NAME.test(file) || TAKEN.has(file) || audiences.has(file)) {
      noteError(
        terminal,
        `expected AUDIENCE=FILE, got \`${text}\``,
        "FILE is a name of its own, without a directory: `--jwt vault=vault.jwt`",
      );
      return EXIT.unable;
    }
    audiences.set(file, audience);
  }
  const log = createLog("identity watch");
  const interrupted = invocation.interruption();
  const ends = flags.once ? [interrupted, AbortSignal.timeout(flags.wait)] : [interrupted];
  const feed = openWorkloadFeed(endpointOf(invocation, flags.socket), flags.hint, log);
  const notify = async (): Promise<void> => {
    if (flags.signal !== undefined) await signalProgram(flags.signal, `SIG${flags["signal-name"]}`);
    if (flags.exec !== undefined) await runCommand(flags.exec, environment);
  };
  try {
    const isWritten = await keepFiles(
      { feed, directory: new IdentityDirectory(flags.dir), audiences, notify, log, once: flags.once },
      AbortSignal.any(ends),
    );
    if (flags.once && isWritten) return EXIT.yes;
  } finally {
    feed.close();
  }
  if (interrupted.aborted) return interrupted.reason === "SIGTERM" ? EXIT.yes : EXIT.interrupted;
  noteError(terminal, "the agent gave no identity in time", "check that this workload is registered: `vigil identity doctor`");
  return EXIT.unable;
}

const FILE_NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/;
/** Names of the other files. */
const TAKEN: ReadonlySet<string> = new Set(["svid.pem", "svid_key.pem", "bundle.pem", "federated"]);
