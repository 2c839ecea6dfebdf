/**
 * Scripts of system calls: what a launcher does between fork and exec, as data. A script is written here, becomes a tiny static program
 * (`launcher-image.ts`), and runs with no runtime, no thread and no memory but its own: the only way to enter a user namespace or to
 * change credentials safely from a process with threads such as Node.js is not to do it in that process.
 *
 * Each step is one call. Its result may be kept in a cell, decides where the script goes on, and arguments may come from cells.
 */
import { type Architecture, type SyscallName, syscallNumber } from "../syscall-numbers.ts";

/** A 64-bit word of the running script. */
export interface Cell {
  readonly kind: "cell";
  readonly address: bigint;
}

/** A place in the script, that is marked before or after it is used. */
export interface Label {
  step: number | undefined;
}

/** A number or pointer, or the content of a cell. */
export type StepArgument = number | bigint | Cell;

export interface StepOptions {
  /** Where the result goes. */
  readonly store?: Cell;
  /** When the call fails: go on, or there. Otherwise the failure is reported with the step's name, and the process ends. */
  readonly onError?: "ignore" | Label;
  readonly onZero?: Label;
  readonly onEqual?: { readonly value: number | Cell; readonly goTo: Label };
}

/** `number` is -1 for a step that makes no call: its result is its first argument. */
export interface Step {
  readonly what: string;
  readonly number: number;
  readonly args: readonly StepArgument[];
  readonly options: StepOptions;
}

/** Where the parts of the image lie in memory. */
export const DATA_ADDRESS = 0x1000_0000n;
export const STEPS_ADDRESS = 0x2000_0000n;
export const STEP_WORDS = 14;
const WORD_BYTES = 8;
const MAX_DATA_BYTES = 4 * 1024 * 1024;
const MAX_STEPS = 10_000;
const MAX_ARGUMENTS = 6;

/** What a script tells its supervisor: 16 bytes, little-endian: kind (u32), step (u32), value (i64). */
export const REPORT_BYTES = 16;
/** A step failed: its number is the second field, the value the negative errno. The script chooses the other kinds. */
export const REPORT_FAILED = 0;

export const NO_CALL = -1;

/** A whole script, ready to become a program. */
export interface FinishedScript {
  readonly architecture: Architecture;
  readonly steps: readonly Step[];
  /** What lies at `DATA_ADDRESS`. */
  readonly data: Uint8Array;
}

export class SyscallScript {
  readonly architecture: Architecture;
  /** The descriptor that reports are written to. */
  readonly reportTo: number;
  readonly #data: Uint8Array[] = [];
  #dataBytes = 0;
  readonly #steps: Step[] = [];
  readonly #failures: { readonly label: Label; readonly step: number; readonly cell: Cell }[] = [];

  constructor(architecture: Architecture, reportTo: number) {
    this.architecture = architecture;
    this.reportTo = reportTo;
  }

  /** Bytes in the image that calls may read and write. Returns their address. Throws RangeError beyond 4 MiB in all. */
  bytes(content: Uint8Array): bigint {
    const address = DATA_ADDRESS + BigInt(this.#dataBytes);
    const padded = new Uint8Array(Math.ceil(Math.max(1, content.length) / 16) * 16);
    padded.set(content);
    this.#data.push(padded);
    this.#dataBytes += padded.length;
    if (this.#dataBytes > MAX_DATA_BYTES) throw new RangeError(`expected a script with at most ${MAX_DATA_BYTES} bytes of data`);
    return address;
  }

  /** Text with its final zero byte, as a pointer. Throws RangeError for a text with a zero byte. */
  text(content: string): bigint {
    const bytes = Buffer.from(content);
    if (bytes.includes(0)) throw new RangeError("expected a text without zero bytes");
    return this.bytes(Buffer.concat([bytes, Uint8Array.of(0)]));
  }

  /** A null-terminated list of pointers to texts. */
  textList(texts: readonly string[]): bigint {
    return this.words([...texts.map((each) => this.text(each)), 0n]);
  }

  words(words: readonly bigint[]): bigint {
    const bytes = new Uint8Array(words.length * WORD_BYTES);
    const view = new DataView(bytes.buffer);
    for (const [index, word] of words.entries()) view.setBigUint64(index * WORD_BYTES, BigInt.asUintN(64, word), true);
    return this.bytes(bytes);
  }

  cell(initial = 0n): Cell {
    return { kind: "cell", address: this.words([initial]) };
  }

  label(): Label {
    return { step: undefined };
  }

  /** Says that the label means the next step. */
  mark(label: Label): void {
    label.step = this.#steps.length;
  }

  /** Adds a call. `what` names it in failures: "mount a private /tmp". Throws RangeError where the architecture has no such call. */
  call(what: string, name: SyscallName, args: readonly StepArgument[], options: StepOptions = {}): void {
    const number = syscallNumber(name, this.architecture);
    if (number === undefined) throw new RangeError(`${this.architecture} has no system call \`${name}\``);
    if (args.length > MAX_ARGUMENTS) throw new RangeError(`expected at most ${MAX_ARGUMENTS} arguments`);
    if (options.onError !== undefined) {
      this.#add({ what, number, args, options });
      return;
    }
    const label = this.label();
    const cell = options.store ?? this.cell();
    this.#failures.push({ label, step: this.#steps.length, cell });
    this.#add({ what, number, args, options: { ...options, onError: label, store: cell } });
  }

  #add(step: Step): void {
    if (this.#steps.length >= MAX_STEPS) throw new RangeError(`expected a script of at most ${MAX_STEPS} steps`);
    this.#steps.push(step);
  }

  /** Goes on there. */
  goTo(label: Label): void {
    this.#add({ what: "go on", number: NO_CALL, args: [1], options: { onEqual: { value: 1, goTo: label }, onError: "ignore" } });
  }

  #set(to: bigint, value: number | Cell): void {
    this.#add({ what: "set", number: NO_CALL, args: [value], options: { store: { kind: "cell", address: to }, onError: "ignore" } });
  }

  /** Tells the supervisor a number of this kind. */
  report(kind: number, value: number | Cell): void {
    const report = this.bytes(new Uint8Array(REPORT_BYTES));
    this.#set(report, kind);
    this.#set(report + 8n, value);
    this.call("report", "write", [this.reportTo, report, REPORT_BYTES], { onError: "ignore" });
  }

  /** Ends the process. */
  exit(code: number): void {
    this.call("exit", "exit_group", [code], { onError: "ignore" });
  }

  /** The script, with what follows failures: a report of kind `REPORT_FAILED`, then the end with `failureCode`. */
  finish(failureCode: number): FinishedScript {
    this.exit(failureCode);
    for (const { label, step, cell } of this.#failures) {
      this.mark(label);
      // The kind is the lower half of the first word, the step the upper one.
      const report = this.words([BigInt(REPORT_FAILED) | (BigInt(step) << 32n), 0n]);
      this.#set(report + 8n, cell);
      this.call("report", "write", [this.reportTo, report, REPORT_BYTES], { onError: "ignore" });
      this.exit(failureCode);
    }
    return { architecture: this.architecture, steps: this.#steps, data: Buffer.concat(this.#data) };
  }
}
