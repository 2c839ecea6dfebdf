/** Keeps the files of an identity up to date, and tells their program. */
import { messageOf } from "../../lib/error.ts";
import type { X509Svid } from "../../spiffe/x509-svid.ts";
import type { Log } from "../log.ts";
import type { IdentityContent } from "./identity-directory.ts";
import type { IdentityFeed } from "./workload-feed.ts";

export interface KeepOptions {
  readonly feed: Omit<IdentityFeed, "close">;
  readonly directory: { write(content: IdentityContent): Promise<void> };
  /** Audiences by the name of the file. */
  readonly audiences: ReadonlyMap<string, string>;
  /** After each change. */
  readonly notify: () => Promise<void>;
  readonly log: Log;
  /** Ends after the first complete state. */
  readonly once: boolean;
  readonly clock?: () => number;
}

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;
/** Timers hold no more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

interface KeptToken {
  readonly text: string;
  /** Half of its life: another is fetched then. */
  readonly renewAtMs: number;
}

/**
 * Writes every state that the feed has until `signal` aborts, or with `once` one. What fails is logged and tried again, later and later.
 * Resolves with whether there is an identity in the files.
 */
export async function keepFiles(options: KeepOptions, signal: AbortSignal): Promise<boolean> {
  const { feed, clock = Date.now } = options;
  const bell = new Bell();
  const endNotice = feed.onChange(() => bell.ring());
  const onAbort = (): void => bell.ring();
  signal.addEventListener("abort", onAbort);
  const keeper = new Keeper(options, clock);
  let retryMs = FIRST_RETRY_MS;
  try {
    while (!signal.aborted) {
      let waitMs: number;
      try {
        const renewAtMs = await keeper.update();
        retryMs = FIRST_RETRY_MS;
        if (options.once && keeper.isComplete) return true;
        waitMs = renewAtMs - clock();
      } catch (thrown) {
        if (signal.aborted) break;
        options.log("error", messageOf(thrown), { retryMs });
        waitMs = retryMs;
        retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
      }
      await bell.rings(Math.min(Math.max(waitMs, 0), MAX_TIMER_MS));
    }
    return keeper.isComplete;
  } finally {
    endNotice();
    signal.removeEventListener("abort", onAbort);
  }
}

class Keeper {
  readonly #options: KeepOptions;
  readonly #clock: () => number;
  readonly #tokens = new Map<string, KeptToken>();
  #written: IdentityContent | undefined;
  #isNotified = true;

  constructor(options: KeepOptions, clock: () => number) {
    this.#options = options;
    this.#clock = clock;
  }

  get isComplete(): boolean {
    return this.#written?.svid !== undefined;
  }

  /** Writes what has changed, and returns when to look again although nothing changes, in ms since the epoch. */
  async update(): Promise<number> {
    const { feed, directory, notify, log } = this.#options;
    const svid = feed.x509Svid();
    // Before the first state there is nothing to write; after it, nothing means that it was withdrawn.
    if (svid === undefined && this.#written === undefined) return Number.POSITIVE_INFINITY;
    await this.#renewTokens(svid);
    const content: IdentityContent = {
      svid,
      bundles: feed.bundles(),
      tokens: new Map([...this.#tokens].map(([file, { text }]) => [file, text])),
    };
    if (!isSameContent(content, this.#written)) {
      await directory.write(content);
      this.#written = content;
      this.#isNotified = false;
      log("info", svid === undefined ? "the identity was withdrawn: its files are removed" : "wrote the identity", factsOf(svid));
    }
    if (!this.#isNotified) {
      await notify();
      this.#isNotified = true;
    }
    return Math.min(Number.POSITIVE_INFINITY, ...[...this.#tokens.values()].map(({ renewAtMs }) => renewAtMs));
  }

  async #renewTokens(svid: X509Svid | undefined): Promise<void> {
    if (svid === undefined) this.#tokens.clear();
    else
      for (const [file, audience] of this.#options.audiences) {
        const nowMs = this.#clock();
        if ((this.#tokens.get(file)?.renewAtMs ?? 0) > nowMs) continue;
        const { token, expiresAtMs } = await this.#options.feed.token(audience);
        this.#tokens.set(file, { text: token, renewAtMs: Math.max(nowMs + FIRST_RETRY_MS, (nowMs + expiresAtMs) / 2) });
      }
  }
}

const factsOf = (svid: X509Svid | undefined): { readonly [name: string]: string } =>
  svid === undefined ? {} : { id: svid.id, validUntil: new Date(svid.certificates[0].notAfterMs).toISOString() };

function isSameContent(content: IdentityContent, other: IdentityContent | undefined): boolean {
  return (
    other !== undefined &&
    content.svid === other.svid &&
    content.bundles.length === other.bundles.length &&
    content.bundles.every((bundle, index) => bundle === other.bundles[index]) &&
    content.tokens.size === other.tokens.size &&
    [...content.tokens].every(([file, text]) => other.tokens.get(file) === text)
  );
}

/** Wakes one who waits; a ring while nobody waits is not lost. */
class Bell {
  #hasRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#hasRung = true;
    this.#wake?.();
  }

  async rings(withinMs: number): Promise<void> {
    if (!this.#hasRung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, withinMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#wake = undefined;
    this.#hasRung = false;
  }
}
