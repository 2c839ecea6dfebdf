/** `vigil identity doctor`: gathers the facts, and says what they mean. */
import { once } from "node:events";
import { lstatSync } from "node:fs";
import { connect } from "node:net";
import { EXIT, type ExitCode, type Invocation } from "../command.ts";
import { wrapColumns } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { type AgentOptions, agentAddress, askAgent } from "./agent-call.ts";
import { type DiagnosisFacts, diagnose, type Finding, type SocketState } from "./diagnosis.ts";

const TIMEOUT_MS = 3_000;

export async function examineIdentity(
  invocation: Invocation,
  options: AgentOptions & { readonly format: "text" | "json" },
): Promise<ExitCode> {
  const { terminal } = invocation;
  const path = agentAddress(invocation, options);
  if (path === undefined) return EXIT.unable;
  const findings = diagnose(await gatherFacts(path));
  if (options.format === "json") terminal.printJson({ socket: path, findings });
  else terminal.print(textOf(findings, terminal));
  return findings.some(({ state }) => state === "wrong") ? EXIT.no : EXIT.yes;
}

export async function gatherFacts(path: string, timeoutMs: number = TIMEOUT_MS): Promise<DiagnosisFacts> {
  const socket = await socketState(path);
  const answers = socket === "accepting" ? await askAgent(path, timeoutMs) : undefined;
  return { path, socket, answers, nowMs: Date.now(), timeoutMs };
}

async function socketState(path: string): Promise<SocketState> {
  try {
    if (!lstatSync(path).isSocket()) return "other";
    const socket = connect(path);
    await once(socket, "connect");
    socket.destroy();
    return "accepting";
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return "absent";
    if (code === "EACCES" || code === "EPERM") return "forbidden";
    if (code === "ECONNREFUSED") return "refusing";
    throw error;
  }
}

function textOf(findings: readonly Finding[], terminal: Terminal): string {
  const mark = {
    well: terminal.style("green", "well"),
    warning: terminal.style("yellow", "warning"),
    wrong: terminal.style("red", "wrong"),
  };
  const rows = findings.flatMap((finding) => [
    [mark[finding.state], finding.check, finding.message],
    ...(finding.state === "well" ? [] : [["", "", `→ ${finding.remedy}`]]),
  ]);
  return wrapColumns(rows, terminal.width).join("\n");
}
