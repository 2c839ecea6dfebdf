/** `vigil runtime trace`: where a running process comes from. */
import { createHash } from "node:crypto";
import { closeSync, readdirSync, readFileSync, readSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { findContainer } from "../../identity/attestation/container-id.ts";
import { VigilError } from "../../lib/error.ts";
import { ProcessHandle } from "../../linux/process-handle.ts";
import { readBootClock } from "../../sensor/boot-clock.ts";
import { parseGoBuildInfo } from "../../sensor/go-build-info.ts";
import { withheldArguments } from "../../sensor/withheld-arguments.ts";
import { EXIT, type ExitCode, type Invocation } from "../command.ts";
import { loadConfiguration } from "../config.ts";
import { noteDiagnostics, noteError } from "../notes.ts";
import { wrapColumns } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { contextJson, contextLines, readTraceContext, type TraceContext } from "./trace-context.ts";

interface Build {
  readonly kind: "go" | "node";
  readonly runtime: string;
  readonly module: string;
  readonly version: string;
  readonly commit: string;
}

interface Ancestor {
  readonly pid: number;
  readonly name: string;
  readonly executable: string;
}

interface Trace {
  readonly pid: number;
  readonly executable: string;
  readonly isDeleted: boolean;
  readonly digest: string;
  readonly package: string;
  readonly args: readonly string[];
  readonly uid: number;
  readonly gid: number;
  readonly cgroup: string;
  readonly container: string;
  readonly pod: string;
  readonly build: Build | undefined;
  readonly ancestry: readonly Ancestor[];
}

export interface TraceOptions {
  readonly format: "text" | "json";
  readonly state: string | undefined;
  readonly config: string | undefined;
}

export async function traceProcess(invocation: Invocation, text: string, { format, state, config }: TraceOptions): Promise<ExitCode> {
  const { terminal } = invocation;
  if (!/^[1-9]\d{0,6}$/.test(text)) {
    noteError(terminal, `expected the number of a process, got \`${text}\``);
    return EXIT.unable;
  }
  const configuration = loadConfiguration(invocation, config, { "state.directory": { flag: "state", value: state } });
  if (!configuration.ok) {
    noteDiagnostics(terminal, configuration.error);
    return EXIT.unable;
  }
  try {
    using process = ProcessHandle.open(Number(text));
    const trace = read(process);
    const startNs = readBootClock().bootNs + process.startTicks * TICK_NS;
    const context = await readTraceContext({ pid: process.pid, startNs, labels: {} }, configuration.value.values);
    if (format === "json") terminal.printJson({ ...trace, build: trace.build ?? null, ...contextJson(context) });
    else print(trace, context, terminal);
    return EXIT.yes;
  } catch (thrown) {
    if (!(thrown instanceof VigilError)) throw thrown;
    noteError(terminal, thrown.message, thrown.hint);
    return EXIT.unable;
  }
}

/** Of `/proc/PID/stat`: a hundredth of a second. */
const TICK_NS = 10_000_000n;

function read(process: ProcessHandle): Trace {
  const { path, isDeleted } = process.executable();
  const { uids, gids } = process.owner();
  const cgroup = process.read("cgroup");
  const found = findContainer({ cgroup, mountinfo: () => "", isAgentInContainer: false });
  const facts = found.kind === "container" ? found.facts : undefined;
  const argv = process.read("cmdline").split("\0").slice(0, -1);
  const file = readExecutable(process);
  return {
    pid: process.pid,
    executable: path,
    isDeleted,
    digest: `sha256:${file.digest}`,
    package: facts === undefined && !isDeleted ? debianPackage(path) : "",
    args: withheldArguments(argv.slice(1)),
    uid: uids[0] ?? 0,
    gid: gids[0] ?? 0,
    cgroup: /^0::(.*)$/m.exec(cgroup)?.[1] ?? "",
    container: facts?.containerId ?? "",
    pod: facts?.podUid ?? "",
    build: file.build ?? nodeBuild(process.pid, path, argv),
    ancestry: ancestryOf(process),
  };
}

const CHUNK_BYTES = 1 << 20;
/** Where one chunk ends and the next begins, the information may lie in both. */
const OVERLAP_BYTES = 1 << 16;

/** The digest of the file that runs, and what Go has put into it; read once, piece by piece. */
function readExecutable(process: ProcessHandle): { readonly digest: string; readonly build: Build | undefined } {
  const descriptor = process.openExecutable();
  try {
    const hash = createHash("sha256");
    let build: Build | undefined;
    let before = Buffer.alloc(0);
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    for (;;) {
      const count = readSync(descriptor, chunk);
      if (count === 0) return { digest: hash.digest("hex"), build };
      const fresh = chunk.subarray(0, count);
      hash.update(fresh);
      const window = Buffer.concat([before, fresh]);
      build ??= goBuild(window);
      before = Buffer.from(window.subarray(Math.max(0, window.length - OVERLAP_BYTES)));
    }
  } finally {
    closeSync(descriptor);
  }
}

function goBuild(data: Buffer): Build | undefined {
  const info = parseGoBuildInfo(data);
  if (info === undefined) return undefined;
  const { goVersion, path, module, moduleVersion, settings } = info;
  const isModified = settings["vcs.modified"] === "true";
  const commit = settings["vcs.revision"] ?? "";
  return {
    kind: "go",
    runtime: goVersion,
    module: module || path,
    version: moduleVersion,
    commit: isModified && commit !== "" ? `${commit} (with changes)` : commit,
  };
}

const MAX_PARENTS = 32;

/** The package of the script that Node runs, seen in the process's own file system. */
function nodeBuild(pid: number, executable: string, argv: readonly string[]): Build | undefined {
  if (basename(executable) !== "node") return undefined;
  const script = argv.slice(1).find((argument) => !argument.startsWith("-"));
  if (script === undefined) return { kind: "node", runtime: "node", module: "", version: "", commit: "" };
  const start = resolve(attempt(() => readFileSync(`/proc/${pid}/environ`, "latin1").match(/(?:^|\0)PWD=([^\0]*)/)?.[1]) ?? "/", script);
  let directory = dirname(start);
  for (let steps = 0; steps < MAX_PARENTS; steps++) {
    const found = attempt(() => JSON.parse(readFileSync(join(`/proc/${pid}/root`, directory, "package.json"), "utf8")) as unknown); // narrowed below
    if (typeof found === "object" && found !== null) {
      const text = (name: string): string => {
        const value: unknown = Object.hasOwn(found, name) ? (found as Record<string, unknown>)[name] : undefined; // an object, as tested
        return typeof value === "string" ? value : "";
      };
      return { kind: "node", runtime: "node", module: text("name"), version: text("version"), commit: text("gitHead") };
    }
    if (directory === "/") break;
    directory = dirname(directory);
  }
  return { kind: "node", runtime: "node", module: start, version: "", commit: "" };
}

const PACKAGE_LISTS = "/var/lib/dpkg/info";

/** `name version` of the Debian package that brought the file; empty when none did. */
function debianPackage(path: string): string {
  // Since /bin became /usr/bin, packages list files under either.
  const names = new Set([`\n${path}\n`, `\n${path.replace(/^\/usr/, "")}\n`]);
  for (const entry of attempt(() => readdirSync(PACKAGE_LISTS)) ?? []) {
    if (!entry.endsWith(".list")) continue;
    const list = attempt(() => readFileSync(join(PACKAGE_LISTS, entry), "latin1"));
    if (list === undefined || ![...names].some((name) => list.includes(name))) continue;
    const name = entry.slice(0, -".list".length).replace(/:.*$/, "");
    return `${name} ${packageVersion(name)}`.trim();
  }
  return "";
}

function packageVersion(name: string): string {
  const status = attempt(() => readFileSync("/var/lib/dpkg/status", "utf8")) ?? "";
  const start = status.startsWith(`Package: ${name}\n`) ? 0 : status.indexOf(`\nPackage: ${name}\n`);
  return start < 0 ? "" : (/\nVersion: (\S+)/.exec(status.slice(start, start + CHUNK_BYTES))?.[1] ?? "");
}

function ancestryOf(process: ProcessHandle): readonly Ancestor[] {
  const ancestry: Ancestor[] = [];
  let pid = parentOf(process);
  while (pid > 0 && ancestry.length < MAX_PARENTS) {
    const parent = attempt(() => ProcessHandle.open(pid));
    if (parent === undefined) break;
    using handle = parent;
    const name = attempt(() => handle.read("comm").trim()) ?? "";
    ancestry.push({ pid, name, executable: attempt(() => handle.executable().path) ?? "" });
    pid = attempt(() => parentOf(handle)) ?? 0;
  }
  return ancestry;
}

const parentOf = (process: ProcessHandle): number => Number(/^PPid:\s*(\d+)$/m.exec(process.read("status"))?.[1] ?? 0);

function attempt<T>(what: () => T): T | undefined {
  try {
    return what();
  } catch {
    return undefined; // What cannot be read is not told; the rest is.
  }
}

/** Names and arguments are chosen by who runs the program; not even colours pass. */
const escaped = (text: string): string =>
  text.replaceAll(/\p{Cc}|[\u2028\u2029]/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);

function print(trace: Trace, context: TraceContext, terminal: Terminal): void {
  const { build, container, pod, ancestry } = trace;
  const rows: (readonly [string, string])[] = [
    ["process", [String(trace.pid), ...trace.args].join(" ")],
    ["executable", trace.isDeleted ? `${trace.executable} (deleted)` : trace.executable],
    ["digest", trace.digest],
    ["package", trace.package || "none"],
    ["container", container === "" ? "none" : pod === "" ? container : `${container} (pod ${pod})`],
    ["user", `${trace.uid}:${trace.gid}`],
    ["cgroup", trace.cgroup],
  ];
  if (build !== undefined) {
    rows.push(["build", [build.runtime, build.module, build.version].filter(Boolean).join(" ")]);
    rows.push(["commit", build.commit || "not said"]);
  }
  const { identities, workload, identityProblem, policies } = context;
  const identity =
    identities.length === 0 ? (identityProblem === "" ? "none: it is no registered workload" : `not known: ${identityProblem}`) : "";
  rows.push(
    ["ancestry", ancestry.map(({ name, pid }) => `${name}(${pid})`).join(" < ")],
    ["identity", identity || `${identities.join(", ")} (${workload})`],
    ["policies", policies.join(", ") || "none"],
  );
  const shown = rows.map(([name, value]): readonly [string, string] => [name, escaped(value)]);
  for (const line of wrapColumns(shown, terminal.width)) terminal.print(line);
  const lines = contextLines(context);
  terminal.print(lines.length === 0 ? "no stored events of it" : "recent events");
  for (const line of lines) terminal.print(`  ${line}`);
}
