/** Attached programs. A program stays attached while its link, or a pin of it, exists. */
import { LinuxCallError } from "../../linux/linux-error.ts";
import type { AttachType } from "../program-spec.ts";
import { ATTACH_TYPES } from "../program-spec.ts";
import { Attributes, bpf, ERRNO, mustBpf } from "./bpf-command.ts";
import { Descriptor } from "./descriptor.ts";
import type { KernelProgram } from "./program.ts";

/** Offsets of BPF_LINK_UPDATE. */
const UPDATE = { link: 0, newProgram: 4, flags: 8, oldProgram: 12 } as const;
/** `BPF_F_REPLACE`: only if the program is the one that the caller believes it is. */
const REPLACE_EXPECTED = 1 << 2;

/** A program at its hook. Disposing detaches it, unless it is pinned. */
export class Link implements Disposable {
  /** Where it is attached, in words: `tracepoint sched_process_exec`. */
  readonly where: string;
  readonly #descriptor: Descriptor;
  readonly #further: Disposable | undefined;

  /** `further` is closed after the link: the event that it stands on. */
  constructor(fd: number, where: string, further?: Disposable) {
    this.where = where;
    this.#descriptor = new Descriptor(fd, `link to ${where}`);
    this.#further = further;
  }

  get fd(): number {
    return this.#descriptor.fd;
  }

  /**
   * Puts another program in the place of this link's, in one step: every event meets either the old or the new one. With `expected`, only if the
   * link still runs that one. False when it runs another, or when this kind of link cannot be updated (raw tracepoints, iterators).
   */
  update(program: KernelProgram, expected?: KernelProgram): boolean {
    const attributes = new Attributes().u32(UPDATE.link, this.fd).u32(UPDATE.newProgram, program.fd);
    if (expected !== undefined) attributes.u32(UPDATE.flags, REPLACE_EXPECTED).u32(UPDATE.oldProgram, expected.fd);
    const { errno } = bpf("linkUpdate", attributes);
    if (errno === 0) return true;
    // EPERM: another program is there; EINVAL: no update for this kind, or the program is of another type.
    if (errno === ERRNO.EPERM || errno === ERRNO.EINVAL || errno === ERRNO.EOPNOTSUPP) return false;
    throw new LinuxCallError(`replace the program at ${this.where}`, errno);
  }

  /** Detaches the program although pins or other descriptors of the link exist. For links of cgroups, networks and XDP. */
  detach(): void {
    mustBpf(`detach the program from ${this.where}`, "linkDetach", new Attributes().u32(0, this.fd));
  }

  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
    this.#further?.[Symbol.dispose]();
  }
}

/** Offsets of BPF_LINK_CREATE. */
const CREATE = { program: 0, target: 4, attachType: 8, flags: 12, rest: 16 } as const;

export interface LinkTarget {
  readonly attachType: AttachType;
  /** Descriptor of a cgroup or an event, or index of a network interface; 0 where the hook has no target. */
  readonly target?: number;
  readonly flags?: number;
  /** Writes what follows the flags in the attributes (offset 16), which differs by hook. */
  readonly details?: (attributes: Attributes, offset: number) => void;
}

/** BPF_LINK_CREATE, for every hook that has no function of its own here. Throws `LINUX_CALL`. */
export function createLink(program: KernelProgram, where: string, target: LinkTarget, further?: Disposable): Link {
  const attributes = new Attributes()
    .u32(CREATE.program, program.fd)
    .u32(CREATE.target, target.target ?? 0)
    .u32(CREATE.attachType, ATTACH_TYPES[target.attachType])
    .u32(CREATE.flags, target.flags ?? 0);
  target.details?.(attributes, CREATE.rest);
  return new Link(mustBpf(`attach the program \`${program.spec.name}\` to ${where}`, "linkCreate", attributes), where, further);
}
