/**
 * Break-glass: for a bounded time every review is allowed, because somebody with access to the state directory said so, and why.
 * The state is one file: it survives a restart, ends by itself, and its openings and closings are events.
 */
import { readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { ActionFields } from "../event/producer.ts";
import { syncDirectory, writeFileAtomic } from "../lib/atomic-write.ts";
import { messageOf, VigilError } from "../lib/error.ts";
import { err, ok, type Result } from "../lib/result.ts";

export type BreakGlassErrorCode = "BREAK_GLASS_REASON" | "BREAK_GLASS_DURATION" | "BREAK_GLASS_STATE";

export const MAX_BREAK_GLASS_MS: number = 4 * 60 * 60 * 1000;
const MIN_BREAK_GLASS_MS = 60 * 1000;
const MAX_TEXT_LENGTH = 500;

export interface BreakGlassOpening {
  readonly openedBy: string;
  readonly reason: string;
  readonly openedAtMs: number;
  /** At most `MAX_BREAK_GLASS_MS` after `openedAtMs`. */
  readonly expiresAtMs: number;
}

export interface BreakGlassRequest {
  readonly openedBy: string;
  readonly reason: string;
  /** From a minute to four hours. */
  readonly durationMs: number;
}

export interface BreakGlassOptions {
  readonly path: string;
  readonly nowMs: () => number;
  readonly report: (action: ActionFields) => void;
}

export class BreakGlass {
  readonly #options: BreakGlassOptions;
  #opening: BreakGlassOpening | undefined;

  constructor(options: BreakGlassOptions) {
    this.#options = options;
  }

  /** Takes over what the file says. A file that cannot be read or is not one of ours leaves the glass closed and is reported. */
  async load(): Promise<void> {
    let text: string;
    try {
      text = await readFile(this.#options.path, "utf8");
    } catch (thrown) {
      if (!isMissing(thrown)) this.#report("open", "failed", "vigil", `cannot read the break-glass file: ${messageOf(thrown)}`);
      return;
    }
    this.#opening = parseOpening(text, this.#options.nowMs());
    if (this.#opening === undefined) this.#report("open", "refused", "vigil", "the break-glass file is damaged, too long or not from now");
  }

  /** The opening in force, undefined while the glass is whole. */
  state(): BreakGlassOpening | undefined {
    const opening = this.#opening;
    if (opening === undefined || this.#options.nowMs() < opening.expiresAtMs) return opening;
    this.#opening = undefined;
    this.#report("close", "done", "vigil", `break-glass expired; it was opened by ${opening.openedBy}: ${opening.reason}`);
    return undefined;
  }

  /** Opens, or replaces the opening in force. It is in force when the promise resolves, and then survives a restart. */
  async open(request: BreakGlassRequest): Promise<Result<BreakGlassOpening, VigilError<BreakGlassErrorCode>>> {
    const reason = request.reason.trim();
    if (reason === "" || reason.length > MAX_TEXT_LENGTH) {
      return err(new VigilError("BREAK_GLASS_REASON", `expected a reason of 1 to ${MAX_TEXT_LENGTH} characters, got ${reason.length}`));
    }
    if (!(request.durationMs >= MIN_BREAK_GLASS_MS && request.durationMs <= MAX_BREAK_GLASS_MS)) {
      return err(
        new VigilError("BREAK_GLASS_DURATION", "expected a duration of 1 minute to 4 hours", { hint: "open it again when it has expired" }),
      );
    }
    const openedAtMs = this.#options.nowMs();
    const openedBy = request.openedBy.slice(0, MAX_TEXT_LENGTH);
    const opening = { openedBy, reason, openedAtMs, expiresAtMs: openedAtMs + request.durationMs };
    try {
      await writeFileAtomic(this.#options.path, `${JSON.stringify(opening)}\n`);
    } catch (thrown) {
      return err(stateError("write", thrown));
    }
    this.#opening = opening;
    this.#report("open", "done", openedBy, `all reviews are allowed until ${new Date(opening.expiresAtMs).toISOString()}: ${reason}`);
    return ok(opening);
  }

  /** Closes; a glass that is whole stays so. */
  async close(closedBy: string): Promise<Result<void, VigilError<BreakGlassErrorCode>>> {
    try {
      await rm(this.#options.path, { force: true });
      await syncDirectory(dirname(this.#options.path));
    } catch (thrown) {
      return err(stateError("remove", thrown));
    }
    if (this.#opening !== undefined) this.#report("close", "done", closedBy, "reviews are judged again");
    this.#opening = undefined;
    return ok(undefined);
  }

  #report(verb: "open" | "close", outcome: ActionFields["outcome"], subject: string, message: string): void {
    this.#options.report({
      action: `${verb} break-glass`,
      object: "admission",
      outcome,
      subject,
      message,
      severity: outcome === "done" && verb === "open" ? 5 : 4,
    });
  }
}

/** The opening that a file states, or undefined when it is none, is over, claims more than it may, or begins in the future. */
function parseOpening(text: string, nowMs: number): BreakGlassOpening | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Damaged: the caller reports it.
    return undefined;
  }
  if (typeof json !== "object" || json === null) return undefined;
  const { openedBy, reason, openedAtMs, expiresAtMs } = json as { readonly [K in keyof BreakGlassOpening]: unknown };
  if (typeof openedBy !== "string" || typeof reason !== "string") return undefined;
  if (typeof openedAtMs !== "number" || typeof expiresAtMs !== "number") return undefined;
  const isBounded = openedAtMs <= nowMs && expiresAtMs - openedAtMs <= MAX_BREAK_GLASS_MS;
  return isBounded ? { openedBy, reason, openedAtMs, expiresAtMs } : undefined;
}

const isMissing = (thrown: unknown): boolean => thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";

const stateError = (verb: string, thrown: unknown): VigilError<BreakGlassErrorCode> =>
  new VigilError("BREAK_GLASS_STATE", `cannot ${verb} the break-glass file: ${messageOf(thrown)}`, {
    hint: "make room in the state directory and see that Vigil owns it",
    cause: thrown,
  });
