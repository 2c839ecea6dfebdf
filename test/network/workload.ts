/** Workloads of the tests: cgroups below one of the test's own, with a process in each that opens sockets as it is told. */
import { type ChildProcess, fork } from "node:child_process";
import { mkdirSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cgroup2Path } from "../../src/linux/mounts.ts";
import type { Endpoint } from "../../src/policy/access/endpoint.ts";
import type { Order } from "./socket-agent.ts";

export class TestCgroup implements Disposable {
  readonly path: string;

  constructor(name: string, parent: string | undefined = cgroup2Path()) {
    if (parent === undefined) throw new Error("no cgroup v2 is mounted");
    this.path = join(parent, name);
    mkdirSync(this.path);
  }

  /** By which the kernel knows it. */
  get id(): bigint {
    return statSync(this.path, { bigint: true }).ino;
  }

  [Symbol.dispose](): void {
    rmdirSync(this.path);
  }
}

export class TestWorkload implements AsyncDisposable {
  readonly endpoint: Endpoint;
  readonly cgroupPath: string;
  readonly #cgroup: TestCgroup;
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, (result: string) => void>();
  #asked = 0;

  constructor(endpoint: Endpoint, root: string) {
    this.endpoint = endpoint;
    this.#cgroup = new TestCgroup(endpoint.name, root);
    this.cgroupPath = this.#cgroup.path;
    this.#child = fork(join(import.meta.dirname, "socket-agent.ts"), { stdio: "inherit" });
    writeFileSync(join(this.cgroupPath, "cgroup.procs"), String(this.#child.pid));
    this.#child.on("message", (message: { readonly id: number; readonly result: string }) => {
      this.#answers.get(message.id)?.(message.result);
      this.#answers.delete(message.id);
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  ask(order: Order): Promise<string> {
    const id = this.#asked++;
    return new Promise((resolve) => {
      this.#answers.set(id, resolve);
      this.#child.send({ id, order });
    });
  }

  call(protocol: "tcp" | "udp", host: string, port: number): Promise<string> {
    return this.ask({ do: "call", protocol, host, port });
  }

  async listen(protocol: "tcp" | "udp", host: string): Promise<number> {
    return Number(await this.ask({ do: "listen", protocol, host }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await ended;
    this.#cgroup[Symbol.dispose]();
  }
}
