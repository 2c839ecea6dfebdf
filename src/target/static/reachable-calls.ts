/** From the code of a program and its libraries to the system calls that can be reached in them. */
import { type ScannedFunction, scanCode } from "./call-scan.ts";
import type { ElfFile } from "./elf-file.ts";

export interface ReachableCalls {
  readonly numbers: ReadonlySet<number>;
  /** The program loads code at run time, which this cannot see. */
  readonly loadsFurtherCode: boolean;
}

interface Loaded {
  readonly elf: ElfFile;
  readonly functions: ReadonlyMap<number, ScannedFunction>;
  readonly initializers: readonly number[];
}

/** `files` are the program and then its libraries, in the order in which symbols are looked up. */
export function findReachableCalls(files: readonly ElfFile[]): ReachableCalls {
  const loaded = files.map((elf): Loaded => ({ elf, functions: scanCode(elf), initializers: initializersOf(elf) }));
  const numbers = new Set<number>();
  const seen = loaded.map(() => new Set<number>());
  const waiting: { readonly file: number; readonly start: number }[] = [];
  const reach = (file: number, start: number): void => {
    if (seen[file]?.has(start) !== false) return;
    seen[file].add(start);
    waiting.push({ file, start });
  };
  const reachName = (name: string): void => {
    const file = loaded.findIndex(({ elf }) => elf.exported.has(name));
    const start = loaded[file]?.elf.exported.get(name);
    if (start !== undefined) reach(file, start);
  };
  // All of the program itself; of the libraries what it uses, and what runs when they are loaded.
  for (const start of loaded[0]?.functions.keys() ?? []) reach(0, start);
  for (const name of loaded[0]?.elf.imported ?? []) reachName(name);
  for (const [file, { initializers }] of loaded.entries()) for (const start of initializers) reach(file, start);
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { file, start } = next;
    const found = loaded[file]?.functions.get(start);
    if (found === undefined) continue;
    for (const number of found.calls) numbers.add(number);
    for (const target of found.leadsTo) reach(file, target);
    for (const name of found.uses) reachName(name);
  }
  return {
    numbers,
    loadsFurtherCode: loaded[0]?.elf.imported.some((name) => name === "dlopen") === true,
  };
}

function initializersOf({ initializers, relocations }: ElfFile): readonly number[] {
  if (initializers === undefined) return [];
  const { address, size } = initializers;
  return relocations.filter((each) => each.address >= address && each.address < address + size).map(({ addend }) => addend);
}
