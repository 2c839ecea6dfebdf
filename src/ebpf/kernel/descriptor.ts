/** Kernel objects that a descriptor keeps alive. */
import { closeDescriptor } from "../../linux/native.ts";

/** A descriptor and its owner: closed once, and not used after. */
export class Descriptor implements Disposable {
  readonly #what: string;
  #fd: number;

  /** `what` names the object in errors: `map \`events\``. */
  constructor(fd: number, what: string) {
    this.#fd = fd;
    this.#what = what;
  }

  get fd(): number {
    if (this.#fd === -1) throw new TypeError(`the ${this.#what} is closed`);
    return this.#fd;
  }

  get isClosed(): boolean {
    return this.#fd === -1;
  }

  /** Without effect when it is closed already. */
  [Symbol.dispose](): void {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd !== -1) closeDescriptor(fd);
  }
}
