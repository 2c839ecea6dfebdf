/** The operator `pmatch`: whether a path is one of the paths or below it, by whole components; components may be shell patterns. */
import { compileGlob } from "./glob.ts";

interface Level {
  isEnd: boolean;
  readonly names: Map<string, Level>;
  readonly patterns: { readonly pattern: string; readonly matches: (text: string) => boolean; readonly level: Level }[];
}

const SLASH = 0x2f;
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
    return found(this.#root, path, 0);
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

/** Goes down the path without taking it apart: most of them are found to be others at their first component. */
function found(level: Level, path: string, from: number): boolean {
  if (level.isEnd) return true;
  let start = from;
  while (path.charCodeAt(start) === SLASH) start += 1;
  if (start >= path.length) return false;
  const slash = path.indexOf("/", start);
  const end = slash < 0 ? path.length : slash;
  const component = path.slice(start, end);
  const next = level.names.get(component);
  if (next !== undefined && found(next, path, end)) return true;
  for (const { matches, level: below } of level.patterns) if (matches(component) && found(below, path, end)) return true;
  return false;
}
