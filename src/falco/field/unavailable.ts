/** Fields that Falco has and Vigil has not, with the reason. A name that ends with a dot stands for all below it. */

export interface UnavailableField {
  readonly prefix: string;
  readonly reason: string;
}

const PAYLOAD = "what is read and written is not copied out of the kernel";
const ENTER = "events are delivered when a call returns, without the time of its entry";
const STATISTICS = "page faults, memory and times of threads are not part of events";
const SCHEDULER = "scheduler switches and page faults are not collected";

export const UNAVAILABLE_FIELDS: readonly UnavailableField[] = [
  { prefix: "evt.buffer", reason: PAYLOAD },
  { prefix: "evt.buflen", reason: PAYLOAD },
  { prefix: "evt.buflen.", reason: PAYLOAD },
  { prefix: "evt.latency", reason: ENTER },
  { prefix: "evt.latency.", reason: ENTER },
  { prefix: "evt.deltatime", reason: ENTER },
  { prefix: "evt.deltatime.", reason: ENTER },
  { prefix: "evt.wait_latency", reason: SCHEDULER },
  { prefix: "evt.hostname", reason: "the node is part of every event that Vigil stores" },
  { prefix: "evt.plugin", reason: "plugins are not loaded" },
  { prefix: "evt.asynctype", reason: "plugins are not loaded" },
  { prefix: "evt.abspath", reason: "paths are resolved by the sensor already" },
  { prefix: "evtin.", reason: "spans of tracers are not collected" },
  { prefix: "proc.fd", reason: "tables of open files are not mirrored" },
  { prefix: "proc.nchilds", reason: STATISTICS },
  { prefix: "proc.nthreads", reason: STATISTICS },
  { prefix: "proc.vmsize", reason: STATISTICS },
  { prefix: "proc.vmrss", reason: STATISTICS },
  { prefix: "proc.vmswap", reason: STATISTICS },
  { prefix: "proc.loginshellid", reason: "login shells are not tracked" },
  { prefix: "proc.aenv", reason: "environments of ancestors are not kept" },
  { prefix: "thread.", reason: STATISTICS },
  { prefix: "user.homedir", reason: "only names are looked up in the user database" },
  { prefix: "user.shell", reason: "only names are looked up in the user database" },
  { prefix: "fd.ino", reason: "inodes of descriptors are not part of events" },
  { prefix: "fd.dev", reason: "inodes of descriptors are not part of events" },
  { prefix: "fd.dev.", reason: "inodes of descriptors are not part of events" },
  { prefix: "fd.uid", reason: "descriptors have no name across processes here" },
  { prefix: "fd.containername", reason: "descriptors have no name across processes here" },
  { prefix: "fd.lip.name", reason: "names of own addresses are not resolved" },
  { prefix: "fd.proto", reason: "protocols are not guessed from ports" },
  { prefix: "fd.cproto", reason: "protocols are not guessed from ports" },
  { prefix: "fd.sproto", reason: "protocols are not guessed from ports" },
  { prefix: "fd.lproto", reason: "protocols are not guessed from ports" },
  { prefix: "fd.rproto", reason: "protocols are not guessed from ports" },
  { prefix: "fdlist.", reason: "calls on lists of descriptors are not collected" },
  { prefix: "container.healthcheck", reason: "health checks are not read from the runtime" },
  { prefix: "container.liveness_probe", reason: "health checks are not read from the runtime" },
  { prefix: "container.readiness_probe", reason: "health checks are not read from the runtime" },
  { prefix: "container.type", reason: "the runtime's kind is not part of its metadata here" },
  { prefix: "container.ip", reason: "addresses of containers belong to network policy" },
  { prefix: "container.cni.", reason: "addresses of containers belong to network policy" },
  { prefix: "container.image.id", reason: "the digest names the image" },
  { prefix: "container.host_", reason: "namespaces shared with the host are not read" },
  { prefix: "k8s.", reason: "only the name and namespace of the Pod are looked up" },
  { prefix: "k8smeta.", reason: "plugins are not loaded" },
  { prefix: "ka.", reason: "Kubernetes audit events are not read by rules" },
  { prefix: "json.", reason: "plugins are not loaded" },
  { prefix: "jevt.", reason: "plugins are not loaded" },
];
