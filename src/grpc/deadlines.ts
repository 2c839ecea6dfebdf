/**
 * Deadlines of calls. Each waits another time, so each would need a timer of its own kind, which costs as much as a tenth of a small call;
 * but most calls end in the turn in which they began. So timers are set at the end of the turn, for the calls that are still there.
 */

interface TimedCall {
  /** Sets the timer, unless the call has ended. */
  armDeadline(): void;
}

export class Deadlines {
  #begun: TimedCall[] = [];

  /** Of a call that begins now. */
  add(call: TimedCall): void {
    if (this.#begun.length === 0) setImmediate(() => this.#arm());
    this.#begun.push(call);
  }

  #arm(): void {
    const begun = this.#begun;
    this.#begun = [];
    for (const call of begun) call.armDeadline();
  }
}
