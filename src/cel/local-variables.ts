import type { CelType } from "./type.ts";

interface Local {
  readonly name: string;
  readonly type: CelType;
  readonly outer: Local | null;
}

/** The variables that macros declare, innermost first: the ones around the node that is being checked. */
export class LocalVariables {
  #innermost: Local | null = null;

  declare(name: string, type: CelType): void {
    this.#innermost = { name, type, outer: this.#innermost };
  }

  find(name: string): CelType | undefined {
    for (let local = this.#innermost; local !== null; local = local.outer) {
      if (local.name === name) return local.type;
    }
    return undefined;
  }

  names(): readonly string[] {
    const names: string[] = [];
    for (let local = this.#innermost; local !== null; local = local.outer) names.push(local.name);
    return names;
  }

  /** Runs `work`; what it declares is gone afterwards. */
  scoped<T>(work: () => T): T {
    const outer = this.#innermost;
    const result = work();
    this.#innermost = outer;
    return result;
  }
}
