import { type Command, defineCommand, type Operand } from "../command.ts";
import { FORMAT_FLAG } from "../flags.ts";

const PROFILE: Operand = { name: "PROFILE", summary: "a file, or `-`", arity: "one", completes: "file" };
const OUTPUT_FLAG = { kind: "text", short: "w", value: "FILE", completes: "file", summary: "where to write it (standard output)" } as const;

export const profileRecordCommand: Command = defineCommand({
  path: "profile record",
  summary: "record which system calls a program or workload needs, and make a profile of them",
  description: `Give a command after \`--\`, or workloads that run already. Recording marks bytes in memory that the kernel and Vigil share: no event, no copy.
It ends with the program, after --for, when nothing new was seen for --quiet, or with Ctrl-C. With --output the file is written again whenever something new is seen, so a recording that is killed keeps what it had.`,
  operands: [{ name: "COMMAND", summary: "the program and its arguments, after `--`", arity: "any" }],
  flags: {
    output: OUTPUT_FLAG,
    name: { kind: "text", short: "n", value: "NAME", summary: "of the profile (the program's name)" },
    pid: { kind: "list", value: "PID", summary: "a process that runs, by its container or cgroup" },
    cgroup: { kind: "list", value: "PATH", summary: "a cgroup (version 2) with those below it" },
    container: { kind: "list", value: "ID", summary: "a container, by the beginning of its id" },
    for: { kind: "duration", value: "TIME", summary: "how long" },
    quiet: { kind: "duration", value: "TIME", summary: "end when nothing new was seen for so long" },
    "start-up": { kind: "duration", value: "TIME", default: 2_000, summary: "how long its start takes; later is its steady state" },
    by: {
      kind: "choice",
      choices: ["auto", "tracepoint", "notify"],
      default: "auto",
      summary: "in the kernel, or by asking Vigil at each call (slow, but needs no root)",
    },
    paths: { kind: "boolean", summary: "files and ports, too, for AppArmor and Landlock" },
    "open-flags": { kind: "boolean", summary: "how files are opened, too" },
    exact: { kind: "boolean", summary: "without the base set and what other libcs and kernels call instead" },
    format: FORMAT_FLAG,
  },
  examples: [
    { line: "vigil profile record --output date.json -- date", says: "a program" },
    { line: "vigil profile record --paths --output nginx.json -- nginx -g 'daemon off;'", says: "a server, with its files and ports" },
    { line: "vigil profile record --pid 4711 --for 10m --output shop.json", says: "a container that runs" },
  ],
  exitCodes: { 0: "it was recorded, and the program ended well", 1: "it was recorded; the program failed", 2: "it could not be recorded" },
  async run(invocation) {
    const { recordProfile } = await import("../profile/record.ts");
    return recordProfile(invocation, invocation.flags);
  },
});

export const profileShowCommand: Command = defineCommand({
  path: "profile show",
  summary: "show what a profile allows and why, and whether enough was recorded",
  operands: [PROFILE],
  flags: {
    filter: { kind: "boolean", summary: "show the compiled filter instead" },
    format: FORMAT_FLAG,
  },
  examples: [{ line: "vigil profile show nginx.json", says: "every call with its reasons" }],
  async run({ operands: [path = ""], flags, terminal }) {
    const { showProfile } = await import("../profile/show.ts");
    return showProfile(path, flags, terminal);
  },
});

export const profileDiffCommand: Command = defineCommand({
  path: "profile diff",
  summary: "show what one profile allows that another does not",
  operands: [
    { ...PROFILE, name: "BEFORE" },
    { ...PROFILE, name: "AFTER" },
  ],
  flags: { format: FORMAT_FLAG },
  examples: [{ line: "vigil profile diff v1.json v2.json", says: "what a new version needs" }],
  exitCodes: { 0: "they allow the same", 1: "they differ" },
  async run({ operands: [before = "", after = ""], flags: { format }, terminal }) {
    const { diffProfileFiles } = await import("../profile/diff.ts");
    return diffProfileFiles({ before, after, format }, terminal);
  },
});

export const profileMergeCommand: Command = defineCommand({
  path: "profile merge",
  summary: "make one profile of several: of replicas, of versions, of runs",
  operands: [{ ...PROFILE, arity: "one or more" }],
  flags: { output: OUTPUT_FLAG, name: { kind: "text", short: "n", value: "NAME", summary: "of the profile (the first one's)" } },
  examples: [{ line: "vigil profile merge run-1.json run-2.json --output shop.json", says: "two runs" }],
  async run({ operands: paths, flags: { output, name }, terminal }) {
    const { mergeProfileFiles } = await import("../profile/merge.ts");
    return mergeProfileFiles({ paths, output, name }, terminal);
  },
});

export const profileExportCommand: Command = defineCommand({
  path: "profile export",
  summary: "write a profile in the format of a container runtime, Kubernetes, AppArmor or Landlock",
  operands: [PROFILE],
  flags: {
    to: {
      kind: "choice",
      short: "t",
      choices: ["oci", "kubernetes", "operator", "apparmor", "landlock", "filter"],
      default: "oci",
      summary:
        "the seccomp section of a runtime's configuration; a `localhost` profile; a resource of the security-profiles-operator; AppArmor; Landlock rules; the BPF program",
    },
    output: OUTPUT_FLAG,
    complain: { kind: "boolean", summary: "allow and log what is not in the profile" },
    "without-runtime": { kind: "boolean", summary: "leave out what a container runtime itself needs under the filter" },
    program: { kind: "text", value: "PATH", completes: "file", summary: "the program that an AppArmor profile attaches to" },
    namespace: { kind: "text", value: "NAME", default: "default", summary: "of the operator's resource" },
  },
  examples: [{ line: "vigil profile export --to kubernetes --output nginx-seccomp.json nginx.json", says: "for /var/lib/kubelet/seccomp" }],
  async run({ operands: [path = ""], flags, terminal }) {
    const { exportProfile } = await import("../profile/export.ts");
    return exportProfile(path, flags, terminal);
  },
});

export const profileVerifyCommand: Command = defineCommand({
  path: "profile verify",
  summary: "run a program under a profile, and name what the profile refuses",
  description: "The filter is the real one of seccomp(2). Every call that it refuses is named, with an amendment that would allow it.",
  operands: [PROFILE, { name: "COMMAND", summary: "the program and its arguments, after `--`", arity: "one or more" }],
  flags: {
    complain: { kind: "boolean", summary: "let through what the profile lacks, and name it" },
    runc: {
      kind: "boolean",
      summary: "in a container of runc, by the exported profile; it names nothing, but shows that the export works",
    },
    amended: { kind: "text", value: "FILE", completes: "file", summary: "write the profile with what was refused added" },
    format: FORMAT_FLAG,
  },
  examples: [{ line: "vigil profile verify date.json -- date", says: "whether it works under its profile" }],
  exitCodes: { 0: "it ended well, and nothing was refused", 1: "something was refused, or it failed", 2: "it could not be started" },
  async run(invocation) {
    const { verifyProfile } = await import("../profile/verify.ts");
    return verifyProfile(invocation, invocation.flags);
  },
});

export const profileGenerateCommand: Command = defineCommand({
  path: "profile generate",
  summary: "make a profile of what a binary and its libraries may call, without running them",
  description: `Looks through the machine code (x86-64) for system calls and for what leads to them, error paths included. Calls that are in for this reason
only are marked \`static\`: together with a recording (\`--with\`) rare paths do not break. Plug-ins that are loaded at run time are not seen.`,
  operands: [{ name: "ELF", summary: "the program", arity: "one", completes: "file" }],
  flags: {
    static: { kind: "boolean", summary: "by looking through the code, which is the only way there is" },
    with: { kind: "list", value: "PROFILE", completes: "file", summary: "a profile to add it to" },
    output: OUTPUT_FLAG,
    exact: { kind: "boolean", summary: "without the base set and what other libcs and kernels call instead" },
  },
  examples: [{ line: "vigil profile generate --static --output date.json /bin/date", says: "a program" }],
  async run({ operands: [path = ""], flags, terminal }) {
    const { generateProfile } = await import("../profile/generate.ts");
    return generateProfile(path, flags, terminal);
  },
});
