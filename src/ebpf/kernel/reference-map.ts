/** Maps whose values are other objects of the kernel: programs to jump to, or maps. */

import type { LayoutCodec } from "../layout-codec.ts";
import type { LoadedMap } from "./loaded-map.ts";
import { keyCodec } from "./map-codec.ts";
import type { KernelProgram } from "./program.ts";
import type { RawMap } from "./raw-map.ts";

/**
 * A `prog_array`, `array_of_maps` or `hash_of_maps`. The kernel keeps what is in it alive. Writing a slot is atomic: a program finds the old or the
 * new object; for maps, the call returns once no program uses the old one any more (some milliseconds).
 */
export class ReferenceMap<K> {
  readonly map: LoadedMap<K>;
  readonly #raw: RawMap;
  readonly #key: LayoutCodec<K>;
  readonly #keyView: DataView;
  readonly #valueView: DataView;

  constructor(map: LoadedMap<K>) {
    this.map = map;
    this.#raw = map.raw;
    this.#key = keyCodec(map.spec);
    this.#keyView = new DataView(this.#raw.key.buffer);
    this.#valueView = new DataView(this.#raw.value.buffer);
  }

  set(key: K, target: LoadedMap | KernelProgram): void {
    this.#key.encode(this.#keyView, 0, key);
    this.#valueView.setUint32(0, target.fd, true);
    this.#raw.update("any");
  }

  /** The kernel's id of the object under a key, or undefined. */
  idAt(key: K): number | undefined {
    this.#key.encode(this.#keyView, 0, key);
    return this.#raw.lookup() ? this.#valueView.getUint32(0, true) : undefined;
  }

  /** False when there was none. */
  delete(key: K): boolean {
    this.#key.encode(this.#keyView, 0, key);
    return this.#raw.delete();
  }
}
