/** What expressions of a RuntimePolicy see: the event, who did it, to what, and in which workload. */
import { createEnvironment, type Environment } from "../cel/environment.ts";
import { kubernetesLibraries } from "../cel/library/catalogue.ts";
import { BOOL, type CelType, DOUBLE, type FieldType, INT, listType, mapType, objectType, STRING, type TypeProvider } from "../cel/type.ts";

const PROCESS = objectType("vigil.Process");
const VARIABLES = objectType("kubernetes.variables");

const described = (fields: Readonly<Record<string, readonly [CelType, string]>>): ReadonlyMap<string, FieldType> =>
  new Map(Object.entries(fields).map(([name, [type, description]]) => [name, { type, description }]));

/** By type; what a person reads in `docs/runtime-policies.md` is made of these rows. */
export const RUNTIME_TYPES: ReadonlyMap<string, ReadonlyMap<string, FieldType>> = new Map<string, ReadonlyMap<string, FieldType>>([
  [
    "vigil.Event",
    described({
      name: [STRING, "What it is, as in `match.events`: `network.connect`"],
      call: [STRING, "The system call: `openat`"],
      args: [mapType(STRING, STRING), "Its arguments by Falco's names, flags by their names"],
      result: [INT, "What it returned: 0, a descriptor, or the negative errno"],
    }),
  ],
  [
    "vigil.Process",
    described({
      name: [STRING, "Name of the program, at most 15 bytes"],
      executable: [STRING, "Resolved path of the program"],
      args: [listType(STRING), "Arguments, without the program's name"],
      commandLine: [STRING, "Name and arguments"],
      cwd: [STRING, "Working directory"],
      pid: [INT, "Process id; 0 when the process is not known"],
      uid: [INT, "Real user"],
      euid: [INT, "Effective user"],
      loginUid: [INT, "Who logged in, or -1"],
      user: [STRING, "Name of the effective user, or empty"],
      hasTerminal: [BOOL, "Whether it has a controlling terminal"],
      capabilities: [listType(STRING), "Effective capabilities: `CAP_SYS_ADMIN`"],
      ageSeconds: [DOUBLE, "Since it was started"],
      isFromMemory: [BOOL, "The program is no file: it was put together in memory (memfd)"],
      isOutsideImage: [BOOL, "The program is not part of the container's image"],
      executableAgeSeconds: [DOUBLE, "How long the file had been unchanged when it was started; -1 when not known"],
    }),
  ],
  [
    "vigil.File",
    described({
      path: [STRING, "Absolute path, resolved; of two paths the new one"],
      directory: [STRING, "The path without its last component"],
      name: [STRING, "The last component of the path"],
      from: [STRING, "Of two paths (rename, link) the old one"],
      written: [STRING, "The path as the process wrote it"],
      mode: [INT, "Permissions that were asked for"],
      isCreated: [BOOL, "Whether it may have been created"],
    }),
  ],
  [
    "vigil.Network",
    described({
      family: [STRING, "`ipv4`, `ipv6`, `unix`, `packet`, `netlink` or `other`"],
      protocol: [STRING, "`tcp`, `udp`, `icmp`, `raw` or `other`"],
      localIp: [STRING, "Own address, or empty"],
      localPort: [INT, "Own port, or 0"],
      remoteIp: [STRING, "Address of the peer, or empty"],
      remotePort: [INT, "Port of the peer, or 0"],
      remoteName: [STRING, "Name that the address was resolved from, or empty"],
    }),
  ],
  [
    "vigil.RunningWorkload",
    described({
      id: [STRING, "SPIFFE ID, or `unresolved:` and the cgroup"],
      container: [STRING, "Container id, 12 digits; empty on the host"],
      image: [STRING, "Image without its tag, or empty"],
      namespace: [STRING, "Namespace of the Pod, or empty"],
      pod: [STRING, "Name of the Pod, or empty"],
      labels: [mapType(STRING, STRING), "Labels"],
      ageSeconds: [DOUBLE, "Since the container was started; -1 when not known"],
      isPrivileged: [BOOL, "Whether the container is known to be privileged"],
    }),
  ],
  ["kubernetes.variables", new Map()],
]);

/** The variables, each of which every event has: what an event is not about is empty. */
export const RUNTIME_VARIABLES: Readonly<Record<string, CelType>> = {
  event: objectType("vigil.Event"),
  process: PROCESS,
  parent: PROCESS,
  ancestors: listType(PROCESS),
  file: objectType("vigil.File"),
  network: objectType("vigil.Network"),
  workload: objectType("vigil.RunningWorkload"),
};

const types: TypeProvider = {
  fieldsOf: (name) => RUNTIME_TYPES.get(name),
  findType: (name) => (RUNTIME_TYPES.has(name) ? objectType(name) : undefined),
};

let made: Environment | undefined;

/** The environment of all runtime policies, with Kubernetes' libraries. */
export function runtimeEnvironment(): Environment {
  made ??= createEnvironment({ libraries: kubernetesLibraries, types, variables: { ...RUNTIME_VARIABLES, variables: VARIABLES } });
  return made;
}
