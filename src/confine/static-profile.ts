/** Profiles from files: what a program and its libraries may call, without running them. */
import { readFileSync, realpathSync, statSync } from "node:fs";
import { release } from "node:os";
import { basename, dirname, join } from "node:path";
import { messageOf, VigilError } from "../lib/error.ts";
import { syscallName } from "../linux/syscall-numbers.ts";
import { withCalls } from "../target/seccomp/call-families.ts";
import { EMPTY_PROFILE, type Profile } from "../target/seccomp/profile.ts";
import { type ElfFile, parseElf } from "../target/static/elf-file.ts";
import { findReachableCalls, type ReachableCalls } from "../target/static/reachable-calls.ts";

export type StaticErrorCode = "STATIC_UNREADABLE";

export interface StaticProfile extends Omit<ReachableCalls, "numbers"> {
  readonly profile: Profile;
  /** Paths of the files that were looked at, the program first. */
  readonly files: readonly string[];
  /** Names of libraries that were not found. */
  readonly missing: readonly string[];
}

const MAX_FILE_BYTES = 512 * 1024 * 1024;
const MAX_LIBRARIES = 256;
const LIBRARY_DIRECTORIES = [
  "/lib/x86_64-linux-gnu",
  "/usr/lib/x86_64-linux-gnu",
  "/lib64",
  "/usr/lib64",
  "/lib",
  "/usr/lib",
  "/usr/local/lib",
];

/** Looks through a program for x86-64. Throws `STATIC_UNREADABLE`. */
export function profileStatically(path: string): StaticProfile {
  const files = new Map<string, ElfFile>();
  const missing: string[] = [];
  const program = realPath(path);
  const waiting = [program];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    if (files.has(next) || files.size >= MAX_LIBRARIES) continue;
    const elf = readElf(next);
    files.set(next, elf);
    for (const name of elf.needed) {
      const library = findLibrary(name, elf, next);
      if (library === undefined) missing.push(name);
      else waiting.push(library);
    }
  }
  const { numbers, ...facts } = findReachableCalls([...files.values()]);
  const names = [...numbers].flatMap((number) => syscallName(number, "x64") ?? []);
  const recording = { subject: path, recorder: "static", kernel: release(), durationMs: 0, lastNewMs: 0, calls: names.length } as const;
  const empty: Profile = { ...EMPTY_PROFILE, name: basename(path), architectures: ["x64"], recordings: [recording] };
  return { ...facts, profile: withCalls(empty, names, "static"), files: [...files.keys()], missing };
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw unreadable(path, messageOf(error));
  }
}

function readElf(path: string): ElfFile {
  let bytes: Uint8Array;
  try {
    const stats = statSync(path);
    if (!stats.isFile() || stats.size > MAX_FILE_BYTES) throw unreadable(path, "it is no file, or larger than 512 MiB");
    bytes = readFileSync(path);
  } catch (error) {
    throw error instanceof VigilError ? error : unreadable(path, messageOf(error));
  }
  const elf = parseElf(bytes);
  if (!elf.ok) throw unreadable(path, elf.error);
  return elf.value;
}

const unreadable = (path: string, why: string): VigilError<StaticErrorCode> =>
  new VigilError("STATIC_UNREADABLE", `cannot look through \`${path}\`: ${why}`, {
    hint: "give the program itself, not a script that starts it",
  });

/** As the loader of the C library does, without its cache. UNTRUSTED: the name and the paths come from the file. */
function findLibrary(name: string, { runPaths }: ElfFile, user: string): string | undefined {
  if (name.includes("/")) return existing(name);
  const own = runPaths.map((path) => path.replaceAll(/\$ORIGIN|\$\{ORIGIN\}/g, dirname(user)));
  for (const directory of [...own, ...LIBRARY_DIRECTORIES]) {
    const found = existing(join(directory, name));
    if (found !== undefined) return found;
  }
  return undefined;
}

function existing(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
