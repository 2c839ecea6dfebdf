/** Which files are not to be started, as the kernel knows them: by device and inode, whatever their names. */
import { realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { MAX_REFUSED, type RefusedFile } from "./programs/process-programs.ts";

export interface RefusedFiles {
  /** By `keyOfFile`. */
  readonly wanted: Map<string, RefusedFile>;
  /** Paths for which there is no room, which cannot be found, or without which neither this program nor init could be started. */
  readonly left: readonly string[];
}

/** The files and directories at these paths, at most `MAX_REFUSED`. */
export function refusedFiles(paths: readonly string[]): RefusedFiles {
  const left: string[] = [];
  const needed = neededFiles();
  const wanted = new Map<string, RefusedFile>();
  for (const path of paths) {
    const file = wanted.size < MAX_REFUSED ? refusedFile(path) : undefined;
    if (file === undefined || needed.has(keyOfFile(file))) left.push(path);
    else wanted.set(keyOfFile(file), file);
  }
  return { wanted, left };
}

/** The same text for the same file. */
export const keyOfFile = ({ device, inode }: RefusedFile): string => `${device} ${inode}`;

/** `MKDEV` of the kernel from a device number as users see it; undefined when nothing is there. */
function refusedFile(path: string): RefusedFile | undefined {
  const status = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (status === undefined) return undefined;
  const { dev, ino } = status;
  const number = Number(dev);
  const major = (number >>> 8) & 0xfff;
  const minor = (number & 0xff) | ((number >>> 12) & 0xfff00);
  return { inode: ino, device: ((major << 20) | minor) >>> 0, padding: 0 };
}

/** Without these, Vigil would end with the next restart, and the machine with its next start: their programs, and the directories above. */
function neededFiles(): ReadonlySet<string> {
  const needed = new Set<string>();
  for (const link of ["/proc/self/exe", "/proc/1/exe"]) {
    for (let path = realPath(link); path !== undefined; path = path === "/" ? undefined : dirname(path)) {
      const file = refusedFile(path);
      if (file !== undefined) needed.add(keyOfFile(file));
    }
  }
  return needed;
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined; // Init is not ours to look at in some containers; then nothing of it is here.
  }
}
