/** Programs and the maps they share, loaded together. */
import type { MapSpec } from "../map-spec.ts";
import type { ProgramSpec } from "../program-spec.ts";
import { KeyedMap } from "./keyed-map.ts";
import { createMap, type LoadedMap } from "./loaded-map.ts";
import { PerCpuMap } from "./per-cpu-map.ts";
import { type KernelProgram, loadProgram } from "./program.ts";
import { ReferenceMap } from "./reference-map.ts";

export interface CollectionSpec {
  readonly programs: readonly ProgramSpec[];
  /** Maps that no program refers to by itself; those that programs use are found in them. */
  readonly maps?: readonly MapSpec[];
}

export interface LoadOptions {
  /** Maps that exist already, pinned or of another collection, by their specification; they stay their owner's. */
  readonly given?: ReadonlyMap<MapSpec, LoadedMap>;
}

/** What was loaded. Disposing closes the programs and maps; what is attached stays as long as its link. */
export class Collection implements Disposable {
  readonly #maps: ReadonlyMap<MapSpec, LoadedMap>;
  readonly #programs: ReadonlyMap<ProgramSpec, KernelProgram>;
  readonly #owned: DisposableStack;

  constructor(maps: ReadonlyMap<MapSpec, LoadedMap>, programs: ReadonlyMap<ProgramSpec, KernelProgram>, owned: DisposableStack) {
    this.#maps = maps;
    this.#programs = programs;
    this.#owned = owned;
  }

  /** The loaded program of a specification that was given to `loadCollection`. */
  program(spec: ProgramSpec): KernelProgram {
    const program = this.#programs.get(spec);
    if (program === undefined) throw new TypeError(`the program \`${spec.name}\` is not in this collection`);
    return program;
  }

  map<K, V>(spec: MapSpec<K, V>): LoadedMap<K, V> {
    const map = this.#maps.get(spec);
    if (map === undefined) throw new TypeError(`the map \`${spec.name}\` is not in this collection`);
    // A map is stored under its own specification, which carries the types.
    return map as LoadedMap<K, V>;
  }

  /** A hash, array, LRU or LPM trie, with typed keys and values. */
  keyed<K, V>(spec: MapSpec<K, V>): KeyedMap<K, V> {
    return new KeyedMap(this.map(spec));
  }

  perCpu<K, V>(spec: MapSpec<K, V>): PerCpuMap<K, V> {
    return new PerCpuMap(this.map(spec));
  }

  /** A program array or a map of maps. */
  references<K, V>(spec: MapSpec<K, V>): ReferenceMap<K> {
    return new ReferenceMap<K>(this.map<K, unknown>(spec as MapSpec<K, unknown>));
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }
}

/**
 * Creates the maps and loads the programs: all, or none when one is refused (what was loaded by then is closed again).
 *
 * Throws `EBPF_VERIFIER`, `EBPF_PRIVILEGE` or `LINUX_CALL`.
 */
export function loadCollection(spec: CollectionSpec, options: LoadOptions = {}): Collection {
  using loading = new DisposableStack();
  const maps = new Map<MapSpec, LoadedMap>(options.given);
  for (const map of [...(spec.maps ?? []), ...spec.programs.flatMap((program) => program.maps)]) {
    if (!maps.has(map)) maps.set(map, loading.use(createMap(map)));
  }
  const fdOf = (map: MapSpec): number => {
    const loaded = maps.get(map);
    if (loaded === undefined) throw new TypeError(`a program uses the map \`${map.name}\`, which is not among its maps`);
    return loaded.fd;
  };
  const programs = new Map<ProgramSpec, KernelProgram>();
  for (const program of spec.programs) {
    if (!programs.has(program)) programs.set(program, loading.use(loadProgram(program, fdOf)));
  }
  return new Collection(maps, programs, loading.move());
}
