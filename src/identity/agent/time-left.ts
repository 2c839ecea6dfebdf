/** Says how much time is left once for each step down, so that an outage is an alarm and not a flood. */

const MINUTE_MS = 60_000;
const STEPS_MS: readonly number[] = [60, 30, 15, 10, 5, 3, 2, 1].map((minutes) => minutes * MINUTE_MS);

export class TimeLeft {
  #step: number | undefined;

  reset(): void {
    this.#step = undefined;
  }

  /** The time that is left, when that is below a step that was not told yet. */
  step(leftMs: number): number | undefined {
    const step = STEPS_MS.filter((stepMs) => leftMs <= stepMs).at(-1);
    if (step === undefined || (this.#step !== undefined && step >= this.#step)) return undefined;
    this.#step = step;
    return Math.max(0, leftMs);
  }
}
