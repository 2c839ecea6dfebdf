/** `container.*`, `k8s.*`: the id comes from the cgroup, everything else from who runs containers. */
import type { ContainerMount, SyscallEvent } from "../syscall-event.ts";
import { derived, type Field, type FieldValue, type Need, property } from "./field-row.ts";

const runtime = (name: string, path: string, type: Field["type"] = "text", needs: Need = "container runtime"): Field =>
  property(name, type, `caller.container.${path}`, "metadata", { needs });

/** The mount that the argument names: its index, its path, or a path in which `*` stands for anything. */
function findMount({ caller }: SyscallEvent, argument: string, key: "source" | "destination"): ContainerMount | undefined {
  const mounts = caller.container.mounts ?? [];
  if (/^\d+$/.test(argument)) return mounts[Number(argument)];
  if (!argument.endsWith("*")) return mounts.find((mount) => mount[key] === argument);
  const prefix = argument.slice(0, -1);
  return mounts.find((mount) => mount[key].startsWith(prefix));
}

const mountText = ({ source, destination, mode, isWritable, propagation }: ContainerMount): string =>
  `${source}:${destination}:${mode}:${isWritable}:${propagation}`;

const mount = (name: string, key: "source" | "destination", read: (found: ContainerMount) => FieldValue): Field =>
  derived(
    name,
    "text",
    "metadata",
    (event, argument = "") => {
      const found = findMount(event, argument, key);
      return found === undefined ? null : read(found);
    },
    { argument: "required", needs: "container runtime" },
  );

export const containerFields: readonly Field[] = [
  property("container.id", "text", "caller.container.id", "cgroup"),
  property("container.full_id", "text", "caller.container.fullId", "cgroup"),
  runtime("container.name", "name"),
  runtime("container.image.repository", "imageRepository"),
  runtime("container.image.tag", "imageTag"),
  runtime("container.image.digest", "imageDigest"),
  derived(
    "container.image",
    "text",
    "metadata",
    ({ caller: { container } }) =>
      container.imageRepository === null
        ? null
        : container.imageTag === null
          ? container.imageRepository
          : `${container.imageRepository}:${container.imageTag}`,
    { needs: "container runtime" },
  ),
  runtime("container.privileged", "isPrivileged", "boolean"),
  derived(
    "container.mounts",
    "text",
    "metadata",
    ({ caller: { container } }) => (container.mounts === null ? null : container.mounts.map(mountText).join(",")),
    { needs: "container runtime" },
  ),
  mount("container.mount", "source", mountText),
  mount("container.mount.source", "destination", ({ source }) => source),
  mount("container.mount.dest", "source", ({ destination }) => destination),
  mount("container.mount.mode", "source", ({ mode }) => mode),
  mount("container.mount.rdwr", "source", ({ isWritable }) => String(isWritable)),
  mount("container.mount.propagation", "source", ({ propagation }) => propagation),
  derived(
    "container.start_ts",
    "number",
    "metadata",
    ({ caller: { container } }) => (container.startNs === null ? null : Number(container.startNs)),
    { needs: "container runtime" },
  ),
  derived(
    "container.duration",
    "number",
    "metadata",
    ({ timeNs, caller: { container } }) => (container.startNs === null ? null : Number(timeNs - container.startNs)),
    { needs: "container runtime" },
  ),
  derived("container.info", "text", "cgroup", ({ caller: { container } }) =>
    container.id === "host" ? "host" : `container_id=${container.id} container_name=${container.name ?? "<NA>"}`,
  ),
  runtime("k8s.ns.name", "podNamespace", "text", "Kubernetes"),
  runtime("k8s.pod.name", "podName", "text", "Kubernetes"),
  derived(
    "k8s.pod.label",
    "text",
    "metadata",
    ({ caller: { container } }, name = "") => (Object.hasOwn(container.labels, name) ? (container.labels[name] ?? null) : null),
    { argument: "required", needs: "Kubernetes" },
  ),
];
