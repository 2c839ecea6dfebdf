/** Servers under load: nginx by wrk, redis by redis-benchmark (packages nginx-light, wrk, redis-server, redis-tools). */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import type { Cgroup } from "../../src/linux/cgroup.ts";

const run = promisify(execFile);
const NGINX_PORT = 18_191;
const REDIS_PORT = 18_192;
const CONNECTIONS = "16";

export interface Served {
  readonly requests: number;
  readonly seconds: number;
  /** Processor time of the server, user and system. */
  readonly cpuNs: number;
}

interface Started {
  readonly child: ChildProcess;
  readonly directory: string;
  readonly cgroup: Cgroup;
  /** By a program that started the server. */
  readonly isWrapped: boolean;
}

/** A server that runs in a cgroup, and its load. */
export class LoadedServer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #cgroup: Cgroup;
  readonly #isWrapped: boolean;
  readonly #load: (size: number) => Promise<number>;

  private constructor({ child, directory, cgroup, isWrapped }: Started, load: (size: number) => Promise<number>) {
    this.#child = child;
    this.#directory = directory;
    this.#cgroup = cgroup;
    this.#isWrapped = isWrapped;
    this.#load = load;
  }

  /** nginx with one worker and a small file; the size of its load is in seconds. `command` comes before it, as `strace` does. */
  static async nginx(cgroup: Cgroup, command: readonly string[] = []): Promise<LoadedServer> {
    const directory = mkdtempSync(join(tmpdir(), "vigil-nginx-"));
    chmodSync(directory, 0o755);
    mkdirSync(join(directory, "www"));
    writeFileSync(join(directory, "www/index.html"), "hello\n");
    const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${directory};`).join(" ");
    writeFileSync(
      join(directory, "nginx.conf"),
      `daemon off; worker_processes 1; pid ${directory}/pid; error_log ${directory}/error.log; events {}
http { access_log off; keepalive_requests 1000000; ${paths} server { listen 127.0.0.1:${NGINX_PORT}; root ${directory}/www; } }\n`,
    );
    const child = startIn(cgroup, [...command, "/usr/sbin/nginx", "-c", join(directory, "nginx.conf")]);
    await untilListening(NGINX_PORT);
    return new LoadedServer({ child, directory, cgroup, isWrapped: command.length > 0 }, async (seconds) => {
      const { stdout } = await run("wrk", ["-t1", `-c${CONNECTIONS}`, `-d${seconds}s`, `http://127.0.0.1:${NGINX_PORT}/`]);
      return Number(/(\d+) requests in/.exec(stdout)?.[1]);
    });
  }

  /** redis without persistence; the size of its load is in requests (GET). */
  static async redis(cgroup: Cgroup, command: readonly string[] = []): Promise<LoadedServer> {
    const directory = mkdtempSync(join(tmpdir(), "vigil-redis-"));
    const options = ["--port", String(REDIS_PORT), "--save", "", "--dir", directory];
    const child = startIn(cgroup, [...command, "/usr/bin/redis-server", ...options]);
    await untilListening(REDIS_PORT);
    return new LoadedServer({ child, directory, cgroup, isWrapped: command.length > 0 }, async (requests) => {
      await run("redis-benchmark", ["-p", String(REDIS_PORT), "-t", "get", "-n", String(requests), "-c", CONNECTIONS, "-q"]);
      return requests;
    });
  }

  async serve(size: number): Promise<Served> {
    const [before, start] = [this.#cpuNs(), performance.now()];
    const requests = await this.#load(size);
    return { requests, seconds: (performance.now() - start) / 1000, cpuNs: this.#cpuNs() - before };
  }

  /** Of all threads of the cgroup. */
  #cpuNs(): number {
    let sum = 0;
    for (const pid of this.#cgroup.processes()) {
      for (const thread of readdirSync(`/proc/${pid}/task`))
        sum += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
    }
    return sum;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    // `strace` would let the server go when it is told to end; it ends with it.
    const others = this.#cgroup.processes().filter((pid) => pid !== child.pid);
    if (this.#isWrapped) for (const pid of others) process.kill(pid, "SIGTERM");
    else child.kill("SIGTERM");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function startIn(cgroup: Cgroup, command: readonly string[]): ChildProcess {
  const line = 'echo $$ > "$0/cgroup.procs" && exec "$@"';
  return spawn("/bin/sh", ["-c", line, cgroup.path ?? "", ...command], { stdio: "ignore" });
}

async function untilListening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        resolve(true);
      }).once("error", () => resolve(false));
    });
    if (isOpen) return;
    await pause(50);
  }
  throw new Error(`nothing listens on port ${port}`);
}
