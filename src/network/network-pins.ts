/** What of the enforcement outlives a process, as pins. */
import type { Link, LoadedMap, MapSpec, PinDirectory } from "../ebpf/index.ts";

/** Names the meaning of the maps: what another version has pinned under another name is never mistaken for this version's. */
const OWNER = "network-2";

export class NetworkPins {
  readonly #directory: PinDirectory;

  constructor(directory: PinDirectory) {
    this.#directory = directory;
  }

  /** The pinned maps of the specifications; all or none, since they belong together. Throws `EBPF_PIN` when sizes have changed. */
  openMaps(specs: readonly MapSpec[], owned: DisposableStack): ReadonlyMap<MapSpec, LoadedMap> {
    const found = new Map<MapSpec, LoadedMap>();
    for (const spec of specs) {
      const map = this.#directory.map(spec, OWNER, spec.name);
      if (map !== undefined) found.set(spec, owned.use(map));
    }
    return found.size === specs.length ? found : new Map();
  }

  pinMaps(maps: readonly LoadedMap[]): void {
    for (const map of maps) this.#directory.pin(map, OWNER, map.spec.name, { replace: true });
  }

  link(name: string): Link | undefined {
    return this.#directory.link(OWNER, name);
  }

  pinLink(link: Link, name: string): void {
    this.#directory.pin(link, OWNER, name, { replace: true });
  }

  unpin(): void {
    for (const { owner, name } of this.#directory.list()) if (owner === OWNER) this.#directory.unpin(owner, name);
  }
}
