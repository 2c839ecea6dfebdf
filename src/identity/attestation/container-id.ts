/**
 * Which container a process is in, by the paths of its control groups. UNTRUSTED: a process with control groups of its own gives
 * them any name, and one with a mount namespace of its own mounts any of them; both must not give it the identity of another.
 */

export interface ContainerFacts {
  /** 64 hexadecimal digits. */
  readonly containerId: string;
  /** With dashes. */
  readonly podUid?: string;
  /** The user who runs the container and controls everything about it, where that is not root: rootless Podman. */
  readonly rootlessUid?: number;
}

/** The facts, nothing when the process is in no container, or why they contradict each other. */
export type ContainerFinding =
  | { readonly kind: "container"; readonly facts: ContainerFacts }
  | { readonly kind: "none" }
  | { readonly kind: "contradiction"; readonly message: string };

export interface CgroupView {
  /** Content of `/proc/<pid>/cgroup`. */
  readonly cgroup: string;
  /** Content of `/proc/<pid>/mountinfo`, read only when it is needed. */
  readonly mountinfo: () => string;
  /**
   * Whether the agent itself is in a cgroup namespace other than the machine's. Then a process of its own container shows as `/`,
   * and what is mounted there says more. Otherwise `cgroup` says all, and mounts, which any user may arrange, say nothing.
   */
  readonly isAgentInContainer: boolean;
}

const NONE: ContainerFinding = { kind: "none" };
const CONTAINER_ID = /(?<![0-9A-Za-z])[0-9a-f]{64}(?![0-9A-Za-z])/gi;
const POD_UID = /(?<![0-9A-Za-z])pod([0-9a-f]{8}([-_])[0-9a-f]{4}\2[0-9a-f]{4}\2[0-9a-f]{4}\2[0-9a-f]{12})(?![0-9A-Za-z])/i;
/** Systemd services whose children are containers. Any other service that has children named them itself. */
const RUNTIME_SERVICE =
  /^(?:snap\.[\w.-]+|containerd|docker|crio|cri-o|podman|kubelet|k3s|k3s-agent|k0s\w*|rke2-\w+|libpod[\w-]*)\.service$/;
const USER_SERVICE = /^user@(\d{1,10})\.service$/;
const USER_SLICE = /^user-(\d{1,10})\.slice$/;

export function findContainer({ cgroup, mountinfo, isAgentInContainer }: CgroupView): ContainerFinding {
  const paths = cgroupPaths(cgroup);
  const found = agree(paths);
  if (found.kind !== "none" || !isAgentInContainer) return found;
  // `/` and `/..` are all that a namespace shows of what is beside and above it.
  return paths.every((path) => /^\/(?:\.\.(?:\/|$))*$/.test(path)) ? agree(cgroupMounts(mountinfo())) : NONE;
}

/** The third field of each line `hierarchy:controllers:path`. */
function cgroupPaths(text: string): readonly string[] {
  return text.split("\n").flatMap((line) => {
    const path = /^\d+:[^:]*:(.*)$/.exec(line)?.[1];
    return path === undefined ? [] : [path];
  });
}

/** Roots of the mounts of type cgroup or cgroup2 (proc_pid_mountinfo(5)); the optional fields end with a dash. */
function cgroupMounts(text: string): readonly string[] {
  return text.split("\n").flatMap((line) => {
    const [mount = "", source = ""] = line.split(" - ", 2);
    const isCgroup = /^cgroup2? /.test(source);
    const root = mount.split(" ")[3];
    return isCgroup && root !== undefined ? [root] : [];
  });
}

/**
 * What all paths say together. A path with a pod outweighs those without, since nested runtimes show the outer container in some
 * hierarchies; apart from that they must agree.
 */
function agree(paths: readonly string[]): ContainerFinding {
  let agreed: ContainerFacts | undefined;
  for (const path of paths) {
    const finding = readPath(path);
    if (finding.kind === "contradiction") return finding;
    if (finding.kind === "none") continue;
    const { facts } = finding;
    if (agreed === undefined || (agreed.podUid === undefined && facts.podUid !== undefined)) {
      agreed = facts;
      continue;
    }
    if (agreed.podUid !== undefined && facts.podUid === undefined) continue;
    if (agreed.podUid !== facts.podUid) return conflict("pods", agreed.podUid ?? "", facts.podUid ?? "");
    if (agreed.containerId !== facts.containerId) return conflict("containers", agreed.containerId, facts.containerId);
  }
  return agreed === undefined ? NONE : { kind: "container", facts: agreed };
}

const conflict = (what: string, one: string, other: string): ContainerFinding => ({
  kind: "contradiction",
  message: `its control groups name several ${what}: ${one} and ${other}`,
});

/** What one path says. A container can be made within another's control group by that container alone, so that the inner name proves nothing. */
function readPath(path: string): ContainerFinding {
  const ids = [...new Set([...path.matchAll(CONTAINER_ID)].map(([id]) => id.toLowerCase()))];
  const [containerId, inner] = ids;
  if (containerId === undefined) return NONE;
  if (inner !== undefined) {
    return {
      kind: "contradiction",
      message: `control group \`${shortened(path)}\` names a container within another: the outer one can choose that name`,
    };
  }
  const before = path.slice(0, path.toLowerCase().indexOf(containerId));
  const parents = before.split("/").slice(0, -1);
  const owner = ownerOf(parents);
  if (owner.kind === "service") {
    return {
      kind: "contradiction",
      message: `control group \`${shortened(path)}\` names a container within \`${owner.name}\`, which is no container runtime and can choose that name`,
    };
  }
  const podUid = POD_UID.exec(before)?.[1]?.replaceAll("_", "-").toLowerCase();
  return {
    kind: "container",
    facts: { containerId, ...(podUid === undefined ? {} : { podUid }), ...(owner.kind === "user" ? { rootlessUid: owner.uid } : {}) },
  };
}

/** Who may name control groups below these: root alone, a user, or a service to which its own were delegated. */
function ownerOf(
  parents: readonly string[],
): { readonly kind: "root" } | { readonly kind: "user"; readonly uid: number } | { readonly kind: "service"; readonly name: string } {
  for (const segment of parents) {
    const uid = (USER_SERVICE.exec(segment) ?? USER_SLICE.exec(segment))?.[1];
    if (uid !== undefined && uid !== "0") return { kind: "user", uid: Number(uid) };
    if (segment.endsWith(".service") && !RUNTIME_SERVICE.test(segment) && uid === undefined) return { kind: "service", name: segment };
  }
  return { kind: "root" };
}

const MAX_SHOWN = 200;
const shortened = (path: string): string => path.replaceAll(/[^ -~]/g, "?").slice(0, MAX_SHOWN);
