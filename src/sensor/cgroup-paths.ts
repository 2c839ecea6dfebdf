/** Which path a cgroup of version 2 has, by its id: from the tree at the start, then from the kernel as cgroups are made. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { cgroup2Path } from "../linux/mounts.ts";

const LIMIT = 65_536;

export class CgroupPaths {
  /** Oldest first. */
  readonly #paths = new Map<string, string>();

  /** Reads the tree; empty where no cgroup2 is mounted. */
  static read(root: string | undefined = cgroup2Path()): CgroupPaths {
    const known = new CgroupPaths();
    if (root !== undefined) known.#walk(root, "/");
    return known;
  }

  /** Empty when it is not known. */
  pathOf(id: string): string {
    return this.#paths.get(id) ?? "";
  }

  add(id: string, path: string): void {
    this.#paths.delete(id);
    const [oldest] = this.#paths.keys();
    if (this.#paths.size >= LIMIT && oldest !== undefined) this.#paths.delete(oldest);
    this.#paths.set(id, path);
  }

  #walk(directory: string, path: string): void {
    try {
      this.add(String(statSync(directory, { bigint: true }).ino), path);
      for (const entry of readdirSync(directory, { withFileTypes: true }))
        if (entry.isDirectory() && this.#paths.size < LIMIT) this.#walk(join(directory, entry.name), join(path, entry.name));
    } catch {
      // It was removed meanwhile: nobody is in it.
    }
  }
}
