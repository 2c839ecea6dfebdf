/** The operator `pmatch`: whether a path is one of the paths or below it, by whole components; components may be shell patterns. */
import { compileGlob } from "./glob.ts";

interface Level {
  isEnd: boolean;
  readonly names: Map<string, Level>;
  readonly patterns: { readonly pattern: string; readonly matches: (text: string) => boolean; readonly level: Level }[];
}

const newLevel = (): Level => ({ isEnd: false, names: new Map(), patterns: [] });
const componentsOf = (path: string): readonly string[] => path.split("/").filter((component) => component !== "");

export class PathPrefixes {
  readonly #root: Level = newLevel();

  constructor(paths: readonly string[]) {
    for (const path of paths) {
      let level = this.#root;
      for (const component of componentsOf(path)) level = descend(level, component);
      level.isEnd = true;
    }
  }

  matches(path: string): boolean {
    return found(this.#root, componentsOf(path), 0);
  }
}

function descend(level: Level, component: string): Level {
  const glob = /[*?[]/.test(component) ? compileGlob(component, false) : undefined;
  if (glob?.ok) {
    const known = level.patterns.find(({ pattern }) => pattern === component);
    if (known !== undefined) return known.level;
    const next = newLevel();
    level.patterns.push({ pattern: component, matches: glob.value, level: next });
    return next;
  }
  const next = level.names.get(component) ?? newLevel();
  level.names.set(component, next);
  return next;
}

function found(level: Level, components: readonly string[], at: number): boolean {
  if (level.isEnd) return true;
  const component = components[at];
  if (component === undefined) return false;
  const next = level.names.get(component);
  if (next !== undefined && found(next, components, at + 1)) return true;
  return level.patterns.some((pattern) => pattern.matches(component) && found(pattern.level, components, at + 1));
}
