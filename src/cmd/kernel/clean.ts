/** `vigil kernel clean`. */
import { findPinDirectories, type Pin } from "../../ebpf/kernel/pin-directory.ts";
import { VigilError } from "../../lib/error.ts";
import { EXIT, type ExitCode } from "../command.ts";
import { noteError } from "../notes.ts";
import type { Terminal } from "../terminal.ts";

export interface CleanOptions {
  /** `owner` or `owner/name`; everything when there is none. */
  readonly names: readonly string[];
  readonly isDryRun: boolean;
  readonly format: "text" | "json";
}

export function cleanKernel(options: CleanOptions, terminal: Terminal): ExitCode {
  try {
    return clean(options, terminal);
  } catch (thrown) {
    if (thrown instanceof VigilError) noteError(terminal, thrown.message, thrown.hint);
    // Of the file system: this user may not look there.
    else if (thrown instanceof Error && "code" in thrown) noteError(terminal, thrown.message, "run it as root");
    else throw thrown;
    return EXIT.unable;
  }
}

function clean({ names, isDryRun, format }: CleanOptions, terminal: Terminal): ExitCode {
  const directories = findPinDirectories();
  const pins = directories.flatMap((directory) => directory.list());
  const chosen = names.length === 0 ? pins : pins.filter((pin) => names.some((name) => isNamed(pin, name)));
  const strange = names.filter((name) => !pins.some((pin) => isNamed(pin, name)));
  for (const name of strange) noteError(terminal, `nothing is pinned as \`${name}\``, "`vigil kernel show` lists what is");
  for (const directory of isDryRun ? [] : directories) {
    const own = chosen.filter(({ path }) => path.startsWith(`${directory.path}/`));
    for (const { owner, name } of own) directory.unpin(owner, name);
    if (own.length > 0) directory.removeIfEmpty();
  }
  if (format === "json") terminal.printJson({ removed: isDryRun ? [] : chosen, wouldRemove: isDryRun ? chosen : [] });
  else {
    for (const { kind, owner, name } of chosen) terminal.print(`${isDryRun ? "would remove" : "removed"} ${kind} ${owner}/${name}`);
    if (chosen.length === 0 && strange.length === 0) terminal.print("nothing is pinned");
  }
  return strange.length > 0 ? EXIT.no : EXIT.yes;
}

const isNamed = ({ owner, name }: Pin, wanted: string): boolean => wanted === owner || wanted === `${owner}/${name}`;
