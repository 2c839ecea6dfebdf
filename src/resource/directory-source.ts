/** Directories of manifests as a source: read, and read again whenever they change. */
import { type FSWatcher, watch } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { type ManifestTree, readStable, type Scan, scanManifests, type TreeOptions } from "./manifest-tree.ts";

export interface WatchOptions extends TreeOptions {
  /** Ends the watching. */
  readonly signal: AbortSignal;
  /** How long a change must rest before the files are read: editors and `kubectl cp` write in several steps. Default 100. */
  readonly settleMs?: number;
  /** How often the files are compared though no change was reported: network file systems report none. Default 5,000. */
  readonly pollMs?: number;
}

/** Beyond this many directories changes are found by comparing alone. */
const MAX_WATCHED = 1000;
/** A directory that never rests is read nevertheless. */
const MAX_UNREST = 20;

/**
 * Yields all manifests below the paths, at once and then whenever their content changed: always a whole set of one moment.
 * Sees files that are replaced by renaming, ConfigMap volumes (a link that is swapped), and directories that vanish and
 * come back; meanwhile what is missing is a diagnostic. Ends when the signal aborts.
 */
export async function* watchManifests(paths: readonly string[], options: WatchOptions): AsyncGenerator<ManifestTree, void, undefined> {
  const { signal } = options;
  const changes = new ChangeReports(paths, signal);
  try {
    let lastHash = "";
    for (let scan = await scanManifests(paths, options); !signal.aborted; scan = await nextScan(scan)) {
      changes.follow(scan);
      const read = await readStable(paths, options, scan);
      changes.follow(read.scan);
      scan = read.scan;
      if (signal.aborted || read.tree.contentHash === lastHash) continue;
      lastHash = read.tree.contentHash;
      yield read.tree;
    }
  } finally {
    changes.close();
  }

  /** The first scan that differs; any scan once the signal aborts. */
  async function nextScan(last: Scan): Promise<Scan> {
    const { settleMs = 100, pollMs = 5_000 } = options;
    let scan = last;
    while (!signal.aborted && scan.stamp === last.stamp) {
      const wasReported = await changes.next(pollMs);
      for (let unrest = 0; wasReported && unrest < MAX_UNREST && (await changes.next(settleMs)); unrest++);
      scan = await scanManifests(paths, options);
      changes.follow(scan);
    }
    return scan;
  }
}

/** The reports of the file system about some paths and the directories below them. */
class ChangeReports {
  readonly #paths: readonly string[];
  readonly #signal: AbortSignal;
  /** By path and identity. */
  readonly #watchers = new Map<string, FSWatcher>();
  #hasChanged = false;
  #wake: (() => void) | null = null;

  constructor(paths: readonly string[], signal: AbortSignal) {
    this.#paths = paths;
    this.#signal = signal;
    signal.addEventListener("abort", this.#report, { once: true });
  }

  /** Watches the directories of a scan, and no others any more. */
  follow({ directories }: Scan): void {
    const wanted = new Map(directories.slice(0, MAX_WATCHED).map(({ path, identity }) => [`${path}\0${identity}`, path]));
    // The entry of a path in its parent tells when it vanishes, comes back, or is replaced.
    for (const path of this.#paths) wanted.set(path, path);
    for (const [key, watcher] of this.#watchers) {
      if (wanted.has(key)) continue;
      watcher.close();
      this.#watchers.delete(key);
    }
    for (const [key, path] of wanted) {
      if (this.#watchers.has(key)) continue;
      if (key === path) this.#watch(key, dirname(resolve(path)), basename(resolve(path)));
      else this.#watch(key, path, null);
    }
  }

  /** Watches a directory, or one entry of it. */
  #watch(key: string, directory: string, entry: string | null): void {
    try {
      const watcher = watch(directory, { persistent: false }, (_, name) => {
        if (entry === null || name === null || name === entry) this.#report();
      });
      this.#watchers.set(key, watcher);
      watcher.on("error", () => {
        watcher.close();
        this.#watchers.delete(key);
        this.#report();
      });
    } catch {
      // It is gone, or the system has no free watches: comparing finds the changes, and the scan reports what is missing.
    }
  }

  readonly #report = (): void => {
    this.#hasChanged = true;
    this.#wake?.();
  };

  /** Waits for a report, at most so long; whether there was one. */
  async next(timeoutMs: number): Promise<boolean> {
    if (!this.#hasChanged && !this.#signal.aborted) await this.#sleep(timeoutMs);
    const hasChanged = this.#hasChanged;
    this.#hasChanged = false;
    return hasChanged;
  }

  async #sleep(timeoutMs: number): Promise<void> {
    await new Promise<void>((done) => {
      const timer = setTimeout(done, timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        done();
      };
    });
    this.#wake = null;
  }

  close(): void {
    this.#signal.removeEventListener("abort", this.#report);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }
}
