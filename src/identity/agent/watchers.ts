/** Streams that wait for changes, and how they are woken: few at once, many over a short time, so that they do not all ask for CPU together. */

/** Woken together; so many are woken at once. */
const WAVE = 100;
const WAVE_PAUSE_MS = 5;
/** However many there are, the last is woken after about so long. */
const MAX_SPREAD_MS = 100;

export type Awakening = "change" | "late" | "over";

/** One stream. */
export class Watcher {
  readonly #forget: (watcher: Watcher) => void;
  /** What the stream shows credentials of; undefined while that is not known, and then every credential concerns it. */
  entries: readonly { readonly id: string }[] | undefined;
  #hasNews = false;
  #wake: (() => void) | undefined;

  constructor(forget: (watcher: Watcher) => void) {
    this.#forget = forget;
  }

  /** Resolves at the next change, or at once if there was one since the last call; `late` after `withinMs`, `over` when the signal aborts. */
  async next(signal: AbortSignal, withinMs?: number): Promise<Awakening> {
    if (!this.#hasNews && !signal.aborted) await this.#sleep(signal, withinMs);
    if (signal.aborted) return "over";
    if (!this.#hasNews) return "late";
    this.#hasNews = false;
    return "change";
  }

  wake(): void {
    this.#hasNews = true;
    this.#wake?.();
  }

  close(): void {
    this.#forget(this);
  }

  #sleep(signal: AbortSignal, withinMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = withinMs === undefined ? undefined : setTimeout(() => done(), withinMs);
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        this.#wake = undefined;
        resolve();
      };
      signal.addEventListener("abort", done, { once: true });
      this.#wake = done;
    });
  }
}

export class Watchers {
  readonly #all = new Set<Watcher>();
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  get size(): number {
    return this.#all.size;
  }

  add(): Watcher {
    const watcher = new Watcher((gone) => this.#all.delete(gone));
    this.#all.add(watcher);
    return watcher;
  }

  /** Wakes all, or those who show credentials of `entryIds`: up to 100 at once, more in waves whose order is random. */
  wake(entryIds?: ReadonlySet<string>): void {
    const concerned = entryIds === undefined ? [...this.#all] : [...this.#all].filter(({ entries }) => concerns(entries, entryIds));
    if (concerned.length <= WAVE) {
      for (const watcher of concerned) watcher.wake();
      return;
    }
    const order = shuffled(concerned, this.#random);
    const waveSize = Math.max(WAVE, Math.ceil((order.length * WAVE_PAUSE_MS) / MAX_SPREAD_MS));
    const wave = (start: number): void => {
      for (const watcher of order.slice(start, start + waveSize)) watcher.wake();
      if (start + waveSize < order.length) setTimeout(() => wave(start + waveSize), WAVE_PAUSE_MS).unref();
    };
    wave(0);
  }
}

const concerns = (entries: Watcher["entries"], entryIds: ReadonlySet<string>): boolean =>
  entries === undefined || entries.some(({ id }) => entryIds.has(id));

function shuffled<T>(items: T[], random: () => number): readonly T[] {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    const item = items[last];
    const swapped = items[other];
    if (item === undefined || swapped === undefined) continue;
    items[last] = swapped;
    items[other] = item;
  }
  return items;
}
