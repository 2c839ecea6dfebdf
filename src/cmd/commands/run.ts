import { type Command, defineCommand } from "../command.ts";
import { CONFIG_FLAG, STATE_FLAG } from "../flags.ts";

const MAX_MIB = 1_048_576;

export const runCommand: Command = defineCommand({
  path: "run",
  summary: "run a program confined: own namespaces, read-only files, no privileges, a seccomp filter, limits",
  description: `Nothing of the machine can be written, but for /tmp and other private directories, which are wiped at the end, and what --write names.
The program has no network unless --network host or --as is given. With --as, \`vigil up\` must run: it knows the workload, whose identity is at SPIFFE_ENDPOINT_SOCKET.
Its exit code and signals are passed through. Works as root, and as an ordinary user where user namespaces are allowed.`,
  operands: [{ name: "COMMAND", summary: "the program and its arguments, after `--`", arity: "one or more" }],
  flags: {
    profile: { kind: "text", short: "p", value: "FILE", completes: "file", summary: "allow only what this profile has" },
    complain: { kind: "boolean", summary: "let through what the profile lacks, and have the kernel log it" },
    landlock: { kind: "boolean", summary: "also let it use only the files and ports of the profile (without one: all files, read-only)" },
    as: {
      kind: "text",
      value: "NAME",
      summary: "start it as this workload: with its identity, and its network policy from the first packet on",
    },
    unconfined: { kind: "boolean", summary: "with --as: identity and network policy alone, no confinement" },
    network: { kind: "choice", choices: ["none", "host"], summary: "an empty network of its own (none; with --as the host's)" },
    write: { kind: "list", short: "w", value: "PATH", completes: "directory", summary: "a path that it may write" },
    read: {
      kind: "list",
      value: "PATH",
      completes: "directory",
      summary: "a path below /tmp, /run, /var/tmp or /dev/shm that it may read",
    },
    cap: { kind: "list", value: "NAME", summary: "a capability that it keeps, within its namespaces" },
    user: { kind: "text", value: "UID[:GID]", summary: "whom it runs as, when root starts it" },
    memory: { kind: "integer", value: "MIB", min: 1, max: MAX_MIB, summary: "limit of its memory" },
    processes: { kind: "integer", value: "N", min: 1, max: 4_194_304, default: 512, summary: "limit of its processes and threads" },
    cpu: { kind: "integer", value: "PERCENT", min: 1, max: 100_000, summary: "limit of its processor time; 100 is one core" },
    descriptors: { kind: "integer", value: "N", min: 4, max: 1_048_576, summary: "limit of its open files" },
    tmp: { kind: "integer", value: "MIB", min: 1, max: MAX_MIB, default: 256, summary: "size of each private directory" },
    name: { kind: "text", short: "n", value: "NAME", summary: "its host name and the name of its cgroup (the program's name)" },
    state: STATE_FLAG,
    config: CONFIG_FLAG,
  },
  examples: [
    { line: "vigil run -- sh -c 'id; touch /etc/x'", says: "as whom it runs, and what it cannot do" },
    {
      line: "vigil run --write /srv/data --network host --profile nginx.json -- nginx -g 'daemon off;'",
      says: "a server under its profile",
    },
    { line: "vigil run --as orders -- node orders.js", says: "a program as the workload `orders`" },
  ],
  exitCodes: { 125: "it could not be started", 128: "and above: it was ended by the signal that is the rest; otherwise its own" },
  async run(invocation) {
    const { runConfined } = await import("../run/run.ts");
    return runConfined(invocation, invocation.flags);
  },
});
