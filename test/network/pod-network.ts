/**
 * Pods of the tests: processes in network namespaces that a bridge connects, each with its cgroup. The bridge has a namespace of its own, so
 * that nothing of it touches this host's network, and all of it is gone with the processes.
 */
import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { PodOrder, PodPorts, PodProbe } from "./pod-agent.ts";
import { TestCgroup } from "./workload.ts";

export interface PodPlace {
  readonly name: string;
  /** With the length of their networks: `10.0.0.1/16`. */
  readonly addresses: readonly string[];
}

/** A probe from a pod, by its place among the pods. */
export interface NetworkProbe extends Omit<PodProbe, "id"> {
  readonly from: number;
  readonly expected: "allow" | "deny";
}

/** How long an answer that must come may take, on the busiest of machines. */
const PATIENCE_MS = 20_000;
const STEP_MS = 5;

class Agent implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #answers = new Map<number, (result: unknown) => void>();
  #asked = 0;

  constructor() {
    this.child = fork(join(import.meta.dirname, "pod-agent.ts"), { stdio: "inherit" });
  }

  async start(): Promise<void> {
    await once(this.child, "message");
    this.child.on("message", ({ id, result }: { readonly id: number; readonly result: unknown }) => {
      this.#answers.get(id)?.(result);
      this.#answers.delete(id);
    });
  }

  ask<T = void>(order: PodOrder): Promise<T> {
    const id = this.#asked++;
    return new Promise((resolve) => {
      this.#answers.set(id, resolve as (result: unknown) => void);
      this.child.send({ id, order });
    });
  }

  /** Commands of `ip` in its namespace. */
  ip(commands: readonly string[]): void {
    execFileSync("nsenter", [`--net=/proc/${this.child.pid}/ns/net`, "ip", "-batch", "-"], { input: commands.join("\n") });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await ended;
  }
}

export class PodNetwork implements AsyncDisposable {
  /** Below which the pods have their cgroups. */
  readonly root: TestCgroup;
  /** By the place of the pod. */
  readonly cgroupPaths: readonly string[];
  readonly #agents: readonly Agent[];
  readonly #owned: AsyncDisposableStack;

  private constructor(root: TestCgroup, pods: readonly { readonly agent: Agent; readonly path: string }[], owned: AsyncDisposableStack) {
    this.root = root;
    this.cgroupPaths = pods.map(({ path }) => path);
    this.#agents = pods.map(({ agent }) => agent);
    this.#owned = owned;
  }

  static async start(name: string, places: readonly PodPlace[], ports: PodPorts): Promise<PodNetwork> {
    await using owned = new AsyncDisposableStack();
    const root = owned.use(new TestCgroup(name));
    const bridge = owned.use(new Agent());
    const pods = places.map((place) => {
      const cgroup = owned.use(new TestCgroup(place.name, root.path));
      return { ...place, path: cgroup.path, agent: owned.use(new Agent()) };
    });
    await Promise.all([bridge, ...pods.map(({ agent }) => agent)].map((agent) => agent.start()));
    bridge.ip([
      "link add br0 type bridge mcast_snooping 0",
      "link set br0 up",
      ...pods.flatMap(({ agent }, place) => [
        `link add pod${place} type veth peer name eth0 netns ${agent.child.pid}`,
        `link set pod${place} master br0 up`,
      ]),
    ]);
    for (const { agent, addresses, path } of pods) {
      writeFileSync(join(path, "cgroup.procs"), String(agent.child.pid));
      const given = addresses.map((address) => `addr add ${address} dev eth0${address.includes(":") ? " nodad" : ""}`);
      agent.ip(["link set lo up", ...given, "link set eth0 up"]);
    }
    await Promise.all(
      pods.map(({ agent, addresses }) =>
        agent.ask({ do: "listen", addresses: addresses.map((address) => address.split("/")[0] ?? ""), ports }),
      ),
    );
    return new PodNetwork(root, pods, owned.move());
  }

  /** Makes the probes at once; gives back those that did not go as expected. */
  async wrong<P extends NetworkProbe>(probes: readonly P[]): Promise<readonly P[]> {
    const asked = probes.map((probe, id) => ({ ...probe, id }));
    const callers = [...Map.groupBy(asked, ({ from }) => from)].map(([from, own]) => ({ agent: this.#agentOf(from), own }));
    await Promise.all(callers.map(({ agent, own }) => agent.ask({ do: "send", probes: own })));
    const wanted = asked.flatMap(({ id, expected }) => (expected === "allow" ? [id] : []));
    const answered = new Set<number>();
    for (const until = Date.now() + PATIENCE_MS; ; await wait(STEP_MS)) {
      // In this order, so that what was let through by mistake is answered too before anybody looks.
      await Promise.all(this.#agents.map((agent) => agent.ask({ do: "serve" })));
      for (const ids of await Promise.all(callers.map(({ agent }) => agent.ask<readonly number[]>({ do: "collect" }))))
        for (const id of ids) answered.add(id);
      if (wanted.every((id) => answered.has(id)) || Date.now() > until) break;
    }
    await Promise.all(this.#agents.map((agent) => agent.ask({ do: "forget" })));
    return probes.filter(({ expected }, id) => answered.has(id) !== (expected === "allow"));
  }

  #agentOf(place: number): Agent {
    const agent = this.#agents[place];
    if (agent === undefined) throw new RangeError(`no pod ${place}`);
    return agent;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync();
  }
}
