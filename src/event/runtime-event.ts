/**
 * Events of the running host: what processes did, with files and peers, the flows of their connections, and what rules found in it.
 * They are flat, as all events are; what one process is, is told by `execId` alone.
 */
import type { EventStamp } from "./event-stamp.ts";

/** Who acted, in each event of a process. */
export interface ActingProcess {
  /** Names one execution of one program on one boot; a PID that is used again has another one. */
  readonly execId: string;
  /** Of the process that started it; empty when unknown. */
  readonly parentExecId: string;
  readonly pid: number;
  /** Path of the executable as the kernel resolved it. */
  readonly binary: string;
  /** Decimal text: ids of cgroups have 64 bits. */
  readonly cgroupId: string;
  /** Empty on the host. */
  readonly containerId: string;
}

/** A step of a process. */
export interface ProcessEvent extends EventStamp, ActingProcess {
  readonly kind: "process";
  readonly action: "exec" | "fork" | "exit" | "credentials" | "capability" | "ptrace" | "signal" | "namespace" | "mount" | "module" | "bpf";
  /** What it was done to: the program that was started, the module, the mount point, the other process. */
  readonly object: string;
  readonly startTime: string;
  /** Arguments without the program's name. The producer has taken secrets out of them. */
  readonly args: readonly string[];
  readonly cwd: string;
  readonly uid: number;
  readonly euid: number;
  /** Effective capabilities, sixteen hexadecimal digits. */
  readonly capsEffective: string;
  /** `sha256:…`, or empty when there is no image or its digest is not known. */
  readonly imageDigest: string;
  /** 0, or the negative errno of what failed; the exit status for `exit`. */
  readonly result: number;
}

/** What a process did to a file. */
export interface FileEvent extends EventStamp, ActingProcess {
  readonly kind: "file";
  readonly action: "read" | "write" | "create" | "delete" | "rename" | "link" | "chmod" | "chown" | "mkdir";
  /** Absolute path, resolved. For `rename` and `link`: the new one. */
  readonly object: string;
  /** For `rename` and `link`: what it was or points to; otherwise empty. */
  readonly from: string;
  /** Flags of `open` or mode of `chmod`, as the system call got them. */
  readonly flags: number;
  /** 0, or the negative errno. */
  readonly result: number;
}

/** A connection that a process opened, took or listens for: observed, whatever was decided about it. */
export interface NetworkEvent extends EventStamp, ActingProcess {
  readonly kind: "network";
  readonly action: "connect" | "accept" | "bind" | "listen" | "socket";
  /** The peer (or, for `bind` and `listen`, the own address) as `10.0.0.7:443` or `[::1]:80`. */
  readonly object: string;
  readonly proto: "tcp" | "udp" | "icmp" | "raw" | "unix" | "packet" | "other";
  readonly srcIp: string;
  readonly srcPort: number;
  readonly dstIp: string;
  readonly dstPort: number;
  /** Community ID v1, or empty when an address is missing. */
  readonly communityId: string;
  readonly result: number;
}

/** A connection between two workloads, with what went through it. */
export interface FlowEvent extends EventStamp {
  readonly kind: "flow";
  readonly verdict: "allow" | "deny" | "audit" | "error";
  /** Where it was judged: by the kernel of this host, or by the process that was called. */
  readonly layer: "kernel" | "process";
  readonly direction: "ingress" | "egress";
  readonly proto: "tcp" | "udp" | "icmp" | "sctp" | "other";
  readonly srcIp: string;
  readonly srcPort: number;
  readonly dstIp: string;
  readonly dstPort: number;
  /** SPIFFE IDs, `unresolved:<cgroup>`, or `world` for an address that no workload has. */
  readonly srcId: string;
  readonly dstId: string;
  /** Of their Workload resources, as `shop/orders`; empty where there is none. */
  readonly srcName: string;
  readonly dstName: string;
  /** `POST /refund`; empty where the layer sees no request. */
  readonly request: string;
  /** The policy that decided, and the rule in it; empty when none had to. */
  readonly policy: string;
  readonly rule: string;
  /** `file:line:column` of the rule; empty when none had to decide. */
  readonly source: string;
  /** Why, in words. */
  readonly reason: string;
  /** What deciding took; 0 where it is not measured. */
  readonly latencyUs: number;
  /** Alike flows that this event stands for: 1, or more when they came too fast to be told one by one. */
  readonly count: number;
  /** RFC 3339, UTC. */
  readonly startTime: string;
  /** Empty while the connection is open. */
  readonly endTime: string;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly packetsSent: number;
  readonly packetsReceived: number;
  readonly communityId: string;
  readonly isEncrypted: boolean;
  /** Of the local process, when it is known. */
  readonly execId: string;
}

/** One process of an ancestry. */
export interface Ancestor {
  readonly execId: string;
  readonly pid: number;
  readonly binary: string;
  readonly args: readonly string[];
}

/** What a rule of a RuntimePolicy or of Falco found. */
export interface FindingEvent extends EventStamp, ActingProcess {
  readonly kind: "finding";
  /** Alike for what is the same thing again: rule, subject and key. */
  readonly findingId: string;
  /** The policy, or `falco` for rules of Falco's files. */
  readonly policy: string;
  readonly rule: string;
  /** What the policy asks for; what came of it is an `action` event. */
  readonly action: "event" | "alert" | "kill" | "freeze" | "refuse";
  /** What the process did it to: a path, a peer, a program. */
  readonly object: string;
  readonly message: string;
  /** MITRE ATT&CK: `T1059.004`. */
  readonly techniques: readonly string[];
  readonly tags: readonly string[];
  /** 0 to 100. */
  readonly confidence: number;
  /** Ids of stored events that it rests on. */
  readonly evidence: readonly string[];
  /** RFC 3339, UTC. */
  readonly firstSeen: string;
  readonly lastSeen: string;
  /** How often, between the two. */
  readonly count: number;
  readonly status: "open" | "excepted" | "closed";
  /** The parent first. */
  readonly ancestry: readonly Ancestor[];
  /** Values that the rule names: field or expression → text. */
  readonly fields: Readonly<Record<string, string>>;
}
