/** `vigil admission break-glass`. */
import { userInfo } from "node:os";
import type { BreakGlassOpening } from "../admission/break-glass.ts";
import { EXIT, type ExitCode, type Invocation } from "./command.ts";
import { askManagement } from "./management-client.ts";
import { noteError } from "./notes.ts";
import { type StateOptions, stateDirectoryOf } from "./status.ts";

export interface BreakGlassOptions extends StateOptions {
  readonly reason: string | undefined;
  readonly durationMs: number;
  readonly close: boolean;
  readonly format: "text" | "json";
}

const ROUTE = "/v1/break-glass";

/** Opens it when there is a reason, closes it when told to, and otherwise says whether it is open. */
export async function breakGlass(invocation: Invocation, options: BreakGlassOptions): Promise<ExitCode> {
  const { terminal } = invocation;
  const { reason, durationMs, close, format } = options;
  if (close && reason !== undefined) {
    noteError(terminal, "`--close` and `--reason` exclude each other", "a reason opens it");
    return EXIT.unable;
  }
  const directory = stateDirectoryOf(invocation, options);
  if (directory === undefined) return EXIT.unable;
  const { username, uid } = userInfo();
  const who = `${username} (uid ${uid})`;
  const answer = close
    ? await askManagement(directory, `DELETE ${ROUTE}`, { closedBy: who })
    : reason === undefined
      ? await askManagement(directory, `GET ${ROUTE}`)
      : await askManagement(directory, `POST ${ROUTE}`, { openedBy: who, reason, durationMs });
  // The cast rests on the version: the server is the control process of the same installation.
  const { opening } = answer as { readonly opening: BreakGlassOpening | null };
  if (format === "json") terminal.printJson({ opening });
  else if (opening === null) terminal.print("break-glass is closed: reviews are judged");
  else {
    const until = new Date(opening.expiresAtMs).toLocaleString("sv-SE");
    terminal.print(`${terminal.style("red", "break-glass is OPEN")} until ${until}: every review is allowed, and noted`);
    terminal.print(`  ${opening.openedBy}: ${opening.reason}`);
  }
  return EXIT.yes;
}
