import { type Command, defineCommand } from "../command.ts";
import { CONFIG_FLAG, FORMAT_FLAG, STATE_FLAG } from "../flags.ts";

export const runtimeRulesCommand: Command = defineCommand({
  path: "runtime rules",
  summary: "say which rules about running processes there are, which of them run, and why the rest cannot",
  description: "Reads RuntimePolicies and rule files of Falco. A rule file changes those that stand before it.",
  operands: [{ name: "PATH", summary: "files, or directories that hold them", arity: "one or more", completes: "file" }],
  flags: { format: FORMAT_FLAG },
  examples: [
    { line: "vigil runtime rules packs/runtime", says: "the built-in policies" },
    { line: "vigil runtime rules test/data/falco/falco_rules.yaml", says: "Falco's own rules" },
  ],
  exitCodes: { 0: "all could be read", 1: "there are mistakes", 2: "there is no rule" },
  async run({ operands, flags: { format }, terminal }) {
    const { showRuntimeRules } = await import("../runtime/rules.ts");
    return showRuntimeRules(operands, format, terminal);
  },
});

export const runtimeTestCommand: Command = defineCommand({
  path: "runtime test",
  summary: "run the tests of runtime policies: events, and what must be found in them",
  description: "Finds every `runtime-test.yaml` below the directories. The last line of its output is `N passed, N failed`.",
  operands: [{ name: "DIR", summary: "a directory, or a file of tests", arity: "one or more", completes: "directory" }],
  flags: { all: { kind: "boolean", short: "a", summary: "show what passed, too" }, format: FORMAT_FLAG },
  examples: [{ line: "vigil runtime test packs", says: "the tests of the built-in policies" }],
  exitCodes: { 0: "all passed", 1: "a test failed, or did not load", 2: "there is no test" },
  async run({ operands, flags: { all: showsAll, format }, terminal }) {
    const { testRuntimeRules } = await import("../runtime/test.ts");
    return testRuntimeRules(operands, { showsAll, format }, terminal);
  },
});

export const runtimeWatchCommand: Command = defineCommand({
  path: "runtime watch",
  summary: "show what processes do on this host, as it happens, and what rules find in it",
  description:
    "Needs root. Programs that are started and that end are told at next to no cost; with events of files or the network, every system call of the host " +
    "costs about 0.1 µs more while this runs. Secrets in arguments are shown as `***`.",
  operands: [],
  flags: {
    event: {
      kind: "list",
      short: "e",
      value: "EVENT",
      summary: "`process`, `file`, `network`, one as `file.write`, or `none`; programs that start and end when not given",
    },
    rules: {
      kind: "list",
      short: "r",
      value: "PATH",
      completes: "file",
      summary: "what to judge by: RuntimePolicies and rule files of Falco",
    },
    pid: { kind: "integer", value: "PID", min: 1, max: 4_194_304, summary: "only this process and those below it" },
    container: { kind: "text", value: "ID", summary: "only in containers whose id begins so" },
    duration: { kind: "duration", value: "TIME", summary: "end after so long" },
    format: FORMAT_FLAG,
  },
  examples: [
    { line: "vigil runtime watch --event process.exec --event network", says: "programs and their connections" },
    { line: "vigil runtime watch --event none --rules packs/runtime", says: "only what the built-in policies find" },
  ],
  exitCodes: { 0: "watched to the end", 2: "this kernel or this user cannot" },
  async run(invocation) {
    const { flags, terminal } = invocation;
    const { watchRuntime } = await import("../runtime/watch.ts");
    const { rules, pid, container, duration: durationMs, format } = flags;
    const events = flags.event.length === 0 ? ["process.exec", "process.end"] : flags.event;
    return watchRuntime({ events, rules, pid, container, durationMs, format, signal: invocation.interruption() }, terminal);
  },
});

export const runtimeTraceCommand: Command = defineCommand({
  path: "runtime trace",
  summary: "say where a running process comes from: its file, package, container, build and ancestry; who it is, and what it did",
  description:
    "Reads what the kernel and the file say: the digest, the Debian package, what Go and Node programs say of their build, the container. " +
    "A Vigil that runs tells the identity (to root) and the events that it has stored.",
  operands: [{ name: "PID", summary: "the number of a process", arity: "one" }],
  flags: { format: FORMAT_FLAG, state: STATE_FLAG, config: CONFIG_FLAG },
  examples: [{ line: "vigil runtime trace 1", says: "where the first process comes from" }],
  exitCodes: { 0: "told", 2: "there is no such process, or this user may not look at it" },
  async run(invocation) {
    const [pid = ""] = invocation.operands;
    const { traceProcess } = await import("../runtime/trace.ts");
    return traceProcess(invocation, pid, invocation.flags);
  },
});
