/** A SPIRE server, and an agent of it, in a directory that goes with them. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { peerProgram } from "./peer-program.ts";

export interface SpireOptions {
  readonly trustDomain: string;
  /** Of the bundle endpoint; by its SVID unless given. PEM files. */
  readonly webCertificate?: { readonly certificate: string; readonly key: string };
  /** PEM file: instead of the system's authorities. */
  readonly webAuthorities?: string;
  /** A server of the same trust domain that this one is below of, and the agent that gives it an identity there. */
  readonly upstream?: { readonly port: number; readonly workloadApi: string };
}

const START_MS = 60_000;

export class RunningSpire {
  readonly directory: string = mkdtempSync(join(tmpdir(), "spire-"));
  readonly trustDomain: string;
  /** Where the bundle is served. */
  readonly bundleUrl: string;
  /** The Workload API of the agent. */
  readonly socket: string = join(this.directory, "agent.sock");
  /** Where the server is administered. */
  readonly apiSocket: string = join(this.directory, "server.sock");
  readonly #program: string;
  readonly #port: number;
  readonly #children: ChildProcess[] = [];
  #log = "";

  private constructor(program: string, trustDomain: string, port: number, bundlePort: number) {
    this.#program = program;
    this.trustDomain = trustDomain;
    this.#port = port;
    this.bundleUrl = `https://127.0.0.1:${bundlePort}`;
  }

  static async start(options: SpireOptions): Promise<RunningSpire> {
    const { trustDomain, webCertificate, webAuthorities, upstream } = options;
    const [port, bundlePort] = [await freePort(), await freePort()];
    const spire = new RunningSpire(peerProgram("spire", "spire-server"), trustDomain, port, bundlePort);
    const profile =
      webCertificate === undefined
        ? `profile "https_spiffe" {}`
        : `profile "https_web" { serving_cert_file { cert_file_path = "${webCertificate.certificate}" key_file_path = "${webCertificate.key}" file_sync_interval = "1h" } }`;
    const above =
      upstream === undefined
        ? ""
        : `  UpstreamAuthority "spire" { plugin_data { server_address = "127.0.0.1" server_port = "${upstream.port}" workload_api_socket = "${upstream.workloadApi}" } }\n`;
    const configuration = join(spire.directory, "server.conf");
    writeFileSync(
      configuration,
      `server {
  bind_address = "127.0.0.1"
  bind_port = "${port}"
  socket_path = "${spire.apiSocket}"
  trust_domain = "${trustDomain}"
  data_dir = "${spire.directory}"
  log_level = "WARN"
  ratelimit { attestation = false signing = false }
  federation { bundle_endpoint { address = "127.0.0.1" port = ${bundlePort} ${profile} } }
}
plugins {
  DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "${spire.directory}/datastore.sqlite3" } }
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "memory" { plugin_data = {} }
${above}}
`,
    );
    const environment = webAuthorities === undefined ? {} : { SSL_CERT_FILE: webAuthorities, SSL_CERT_DIR: "/nonexistent" };
    spire.#launch(["run", "-config", configuration], spire.#program, environment);
    await spire.#until("the server", () => spire.#try("healthcheck").status === 0);
    return spire;
  }

  /** An agent on this machine, which attests processes by their user and their program. */
  async startAgent(): Promise<void> {
    const bundle = join(this.directory, "bundle.pem");
    writeFileSync(bundle, this.ask("bundle", "show"));
    const [, token = ""] = /^Token: (\S+)$/m.exec(this.ask("token", "generate", "-spiffeID", this.id("/agent"))) ?? [];
    const configuration = join(this.directory, "agent.conf");
    writeFileSync(
      configuration,
      `agent {
  data_dir = "${this.directory}/agent"
  log_level = "WARN"
  server_address = "127.0.0.1"
  server_port = "${this.#port}"
  socket_path = "${this.socket}"
  trust_bundle_path = "${bundle}"
  trust_domain = "${this.trustDomain}"
  join_token = "${token}"
}
plugins {
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "memory" { plugin_data {} }
  WorkloadAttestor "unix" { plugin_data { discover_workload_path = true workload_size_limit = -1 } }
}
`,
    );
    const program = peerProgram("spire", "spire-agent");
    this.#launch(["run", "-config", configuration], program);
    await this.#until("the agent", () => spawnSync(program, ["healthcheck", "-socketPath", this.socket]).status === 0);
  }

  /** `HOST:PORT` of its API. */
  get serverAddress(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** The file of one of its programs. */
  static program(name: "spire-server" | "spire-agent"): string {
    return peerProgram("spire", name);
  }

  get serverPid(): number {
    return this.#children[0]?.pid ?? 0;
  }

  get agentPid(): number {
    return this.#children[1]?.pid ?? 0;
  }

  id(path: string): string {
    return `spiffe://${this.trustDomain}${path}`;
  }

  /** Registers processes of this user that run this program. The agent hears of it within its next synchronisation, five seconds. */
  register(path: string, program: string, ...more: readonly string[]): void {
    const selectors = ["-selector", `unix:uid:${process.getuid?.()}`, "-selector", `unix:path:${program}`];
    this.ask("entry", "create", "-parentID", this.id("/agent"), "-spiffeID", this.id(path), ...selectors, ...more);
  }

  /** What a command of the server says; throws when it fails. */
  ask(...words: readonly string[]): string {
    const { status, stdout, stderr } = this.#try(...words);
    if (status !== 0) throw new Error(`spire-server ${words.join(" ")}: ${stdout}${stderr}${this.#log}`);
    return stdout;
  }

  async stop(): Promise<void> {
    for (const child of this.#children.reverse()) if (child.kill()) await once(child, "exit");
    rmSync(this.directory, { recursive: true, force: true });
  }

  #try(...words: readonly string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
    const flags = words.findIndex((word) => word.startsWith("-"));
    const at = flags === -1 ? words.length : flags;
    const all = [...words.slice(0, at), "-socketPath", this.apiSocket, ...words.slice(at)];
    return spawnSync(this.#program, all, { encoding: "utf8" });
  }

  #launch(words: readonly string[], program: string, environment: { readonly [name: string]: string } = {}): void {
    const child = spawn(program, words, {
      cwd: this.directory,
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const output of [child.stdout, child.stderr])
      output.on("data", (chunk) => {
        this.#log = `${this.#log}${chunk}`.slice(-10_000);
      });
    this.#children.push(child);
  }

  async #until(what: string, isTrue: () => boolean): Promise<void> {
    const startMs = performance.now();
    while (!isTrue()) {
      const hasEnded = this.#children.some(({ exitCode }) => exitCode !== null);
      if (hasEnded || performance.now() - startMs > START_MS) throw new Error(`${what} of SPIRE does not start: ${this.#log}`);
      await setTimeout(200);
    }
  }
}

/** A port that nobody has at the moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
