/**
 * Objects that outlive this process on purpose, as files of a BPF file system: `DIRECTORY/OWNER/NAME`, where the owner is the part of Vigil that
 * pinned them.
 */
import { mkdirSync, readdirSync, renameSync, rmdirSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { VigilError } from "../../lib/error.ts";
import { LinuxCallError } from "../../linux/linux-error.ts";
import { bpfFileSystemPath } from "../../linux/mounts.ts";
import { mustSyscall } from "../../linux/native.ts";
import type { MapSpec } from "../map-spec.ts";
import type { ProgramSpec } from "../program-spec.ts";
import { Attributes, bpf, cString, ERRNO, mustBpf } from "./bpf-command.ts";
import { Descriptor } from "./descriptor.ts";
import { type ObjectKind, readDescriptorFacts } from "./descriptor-facts.ts";
import { Link } from "./link.ts";
import { LoadedMap } from "./loaded-map.ts";
import { readLinkInfo, readMapInfo } from "./object-info.ts";
import { KernelProgram } from "./program.ts";

const USUAL_FILE_SYSTEM = "/sys/fs/bpf";
/** MS_NOSUID, MS_NODEV, MS_NOEXEC */
const MOUNT_FLAGS = 2 | 4 | 8;

export interface Pin {
  readonly path: string;
  readonly owner: string;
  readonly name: string;
  readonly kind: ObjectKind;
  /** The kernel's id of the object. */
  readonly id: number;
}

/** Pins of one installation: a directory in a BPF file system, from `openPinDirectory` or `findPinDirectory`. */
export class PinDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Where an object of that name is pinned, or would be. */
  pathOf(owner: string, name: string): string {
    // The kernel reserves dots.
    for (const part of [owner, name])
      if (!/^[\w~-]{1,64}$/.test(part)) throw new RangeError(`expected a name of letters, digits, - and _, got \`${part}\``);
    return join(this.path, owner, name);
  }

  /** Pins an object; returns its path. With `replace`, in the place of what has the name already, in one step. Throws `LINUX_CALL`. */
  pin(object: LoadedMap | KernelProgram | Link, owner: string, name: string, options: { readonly replace?: boolean } = {}): string {
    const path = this.pathOf(owner, name);
    mkdirSync(join(this.path, owner), { recursive: true, mode: 0o700 });
    if (options.replace !== true) {
      pinAt(object, path);
      return path;
    }
    const fresh = this.pathOf(owner, `${name}~new`);
    // Left behind by a process that died between the two steps.
    remove(fresh);
    pinAt(object, fresh);
    renameSync(fresh, path);
    return path;
  }

  /** Opens a pinned map, or undefined when there is none. Throws `EBPF_PIN` when it is not as specified. */
  map<K, V>(spec: MapSpec<K, V>, owner: string, name: string): LoadedMap<K, V> | undefined {
    const fd = this.#open(owner, name, "map");
    if (fd === undefined) return undefined;
    const { type, keySize, valueSize, maxEntries } = readMapInfo(fd);
    if (type === spec.type && keySize === spec.keySize && valueSize === spec.valueSize && maxEntries === spec.maxEntries)
      return new LoadedMap(spec, fd);
    new Descriptor(fd, "pin")[Symbol.dispose]();
    throw new VigilError("EBPF_PIN", `the pinned map \`${owner}/${name}\` has another type or size than this version uses`, {
      hint: `another version pinned it; remove it with \`vigil kernel clean ${owner}/${name}\``,
    });
  }

  link(owner: string, name: string): Link | undefined {
    const fd = this.#open(owner, name, "link");
    return fd === undefined ? undefined : new Link(fd, readLinkInfo(fd).target);
  }

  /** Opens a pinned program. What it does is not compared with the specification. */
  program(spec: ProgramSpec, owner: string, name: string): KernelProgram | undefined {
    const fd = this.#open(owner, name, "program");
    return fd === undefined ? undefined : new KernelProgram(spec, fd);
  }

  #open(owner: string, name: string, kind: ObjectKind): number | undefined {
    const fd = openPinned(this.pathOf(owner, name));
    if (fd === undefined) return undefined;
    const facts = readDescriptorFacts(fd);
    if (facts.kind === kind) return fd;
    new Descriptor(fd, "pin")[Symbol.dispose]();
    throw new VigilError("EBPF_PIN", `expected a pinned ${kind} at \`${owner}/${name}\`, got a ${facts.kind ?? "file of another kind"}`, {
      hint: `remove it with \`vigil kernel clean ${owner}/${name}\``,
    });
  }

  /** Everything that is pinned here. */
  list(): readonly Pin[] {
    return entriesOf(this.path, "directories").flatMap((owner) =>
      entriesOf(join(this.path, owner), "files").flatMap((name) => {
        const path = join(this.path, owner, name);
        const fd = openPinned(path);
        if (fd === undefined) return [];
        using _descriptor = new Descriptor(fd, "pin");
        const { kind, id } = readDescriptorFacts(fd);
        return kind === undefined ? [] : [{ path, owner, name, kind, id }];
      }),
    );
  }

  /** Removes a pin; false when there was none. What it held ends with its last holder: a link that only the pin held is detached. */
  unpin(owner: string, name: string): boolean {
    const wasThere = remove(this.pathOf(owner, name));
    const directory = join(this.path, owner);
    if (wasThere && entriesOf(directory, "files").length === 0) rmdirSync(directory);
    return wasThere;
  }

  /** Removes the directory itself, once nothing is pinned in it. */
  removeIfEmpty(): void {
    const isThere = statSync(this.path, { throwIfNoEntry: false }) !== undefined;
    if (isThere && entriesOf(this.path, "directories").length === 0) rmdirSync(this.path);
  }
}

/** The pins in a BPF file system, which is mounted at /sys/fs/bpf if there is none. Throws `EBPF_PIN` when that is not allowed. */
export function openPinDirectory(name = "vigil"): PinDirectory {
  const path = join(bpfFileSystemPath() ?? mountFileSystem(), name);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new VigilError("EBPF_PIN", `cannot create \`${path}\``, { hint: "pinning needs root", cause });
  }
  return new PinDirectory(path);
}

/** As `openPinDirectory`, but creates and mounts nothing: undefined when nothing is pinned. */
export function findPinDirectory(name = "vigil"): PinDirectory | undefined {
  const root = bpfFileSystemPath();
  if (root === undefined) return undefined;
  const path = join(root, name);
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? new PinDirectory(path) : undefined;
}

/** The pins of every installation of this machine: of the system's Vigil, and of those whose state is elsewhere (`vigil-…`). */
export function findPinDirectories(): readonly PinDirectory[] {
  const root = bpfFileSystemPath();
  if (root === undefined) return [];
  const names = entriesOf(root, "directories").filter((name) => /^vigil(?:-[0-9a-f]{12})?$/.test(name));
  return names.map((name) => new PinDirectory(join(root, name)));
}

function mountFileSystem(): string {
  try {
    const [type, path, options] = [cString("bpf"), cString(USUAL_FILE_SYSTEM), cString("mode=0700")];
    mustSyscall(`mount a BPF file system at ${USUAL_FILE_SYSTEM}`, "mount", type, path, type, MOUNT_FLAGS, options);
    return USUAL_FILE_SYSTEM;
  } catch (cause) {
    throw new VigilError("EBPF_PIN", `no BPF file system is mounted, and none can be mounted at ${USUAL_FILE_SYSTEM}`, {
      hint: `as root: mount -t bpf bpf ${USUAL_FILE_SYSTEM}`,
      cause,
    });
  }
}

function pinAt(object: { readonly fd: number }, path: string): void {
  mustBpf(`pin an object at \`${path}\``, "objectPin", new Attributes().pointer(0, cString(path)).u32(8, object.fd));
}

function openPinned(path: string): number | undefined {
  const { value: fd, errno } = bpf("objectGet", new Attributes().pointer(0, cString(path)));
  if (fd !== -1) return fd;
  if (errno === ERRNO.ENOENT) return undefined;
  throw new LinuxCallError(`open the pin \`${path}\``, errno);
}

function remove(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (thrown) {
    if (isMissing(thrown)) return false;
    throw thrown;
  }
}

const isMissing = (thrown: unknown): boolean => thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";

function entriesOf(directory: string, what: "files" | "directories"): readonly string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() === (what === "directories") ? [entry.name] : [],
  );
}
