/** The programs of the demonstration: five services and the shells of somebody who broke into two of them, each started as its workload. */
import { once } from "node:events";
import { createServer } from "node:net";
import { extname, join } from "node:path";
import { createInterface } from "node:readline";
import type { ConfinedLaunch, Confinement } from "../../confine/confined-launch.ts";
import { VigilError } from "../../lib/error.ts";
import { launchAsWorkload, placeWorkload, type WorkloadLaunch } from "../run/workload-launch.ts";
import { PACKAGE_ROOT } from "../version.ts";

export const SERVICES = ["front", "orders", "payments", "inventory", "mailer"] as const;
export type ServiceName = (typeof SERVICES)[number];

export type DemoErrorCode = "DEMO_SERVICE";

export interface ShopOptions {
  readonly stateDirectory: string;
  /** For what a launch needs for a moment. */
  readonly scratchDirectory: string;
  readonly environment: { readonly [name: string]: string | undefined };
  /** Directories below /tmp and the like that the programs must see. */
  readonly readable: readonly string[];
  /** Where the policies are that the services follow. */
  readonly policies: string;
  readonly workloads: string;
  readonly login: { readonly issuer: string; readonly authorities: string };
  /** What a program writes to its standard error, line by line. */
  readonly onError: (name: string, line: string) => void;
}

/** A call that a shell makes. */
export interface ShellCall {
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly token?: string;
  /** Of an identity that is used in the place of the workload's. */
  readonly files?: string;
}

/** What came of it: a status, or the error in the system's words. */
export interface ShellAnswer {
  readonly status?: number;
  readonly error?: string;
  readonly tookMs: number;
}

/** In a checkout there is no build that the services could load: they load the sources, as this process does. */
const SOURCE_FLAGS: readonly string[] = extname(import.meta.url) === ".ts" ? ["--conditions=vigil-source"] : [];
const READY_WITHIN_MS = 120_000;
const MEBIBYTE = 1024 * 1024;

interface Program {
  readonly name: string;
  readonly launch: ConfinedLaunch;
  readonly workload: WorkloadLaunch;
}

export class Shop implements AsyncDisposable {
  readonly #options: ShopOptions;
  readonly #programs: Program[] = [];
  readonly ports: Readonly<Record<ServiceName, number>>;
  /** Why the programs are not confined; undefined when they are. */
  unconfinedBecause: string | undefined;

  private constructor(options: ShopOptions, ports: Readonly<Record<ServiceName, number>>) {
    this.#options = options;
    this.ports = ports;
  }

  /** Starts the services; resolves when all are ready. Rejects with `DEMO_SERVICE` when one ends first. */
  static async open(options: ShopOptions): Promise<Shop> {
    const shop = new Shop(options, await freePorts());
    try {
      // The first tells whether programs can be confined here.
      const [first, ...others] = SERVICES;
      await shop.#serve(first);
      await Promise.all(others.map((name) => shop.#serve(name)));
    } catch (error) {
      await shop[Symbol.asyncDispose]();
      throw error;
    }
    return shop;
  }

  /** A shell inside a workload. */
  async breakInto(name: ServiceName): Promise<Shell> {
    const { launch } = await this.#start(name, "shell.js", ["pipe", "pipe", "pipe"]);
    return new Shell(launch);
  }

  async #serve(name: ServiceName): Promise<void> {
    const { launch } = await this.#start(name, `${name}.js`, ["ignore", "pipe", "pipe"]);
    const output = launch.launched.child.stdout;
    if (output === null) throw new TypeError("expected the output of a service");
    const ready = (async () => {
      for await (const line of createInterface({ input: output })) if (line === "ready") return true;
      return false;
    })();
    const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), READY_WITHIN_MS).unref());
    if (await Promise.race([ready, late])) return;
    throw new VigilError<DemoErrorCode>("DEMO_SERVICE", `the service \`${name}\` of the demonstration did not become ready`, {
      hint: "the lines above say why",
    });
  }

  async #start(name: ServiceName, file: string, stdio: readonly ("ignore" | "pipe")[]): Promise<Program> {
    const { stateDirectory, scratchDirectory, environment, onError } = this.#options;
    const workload = await placeWorkload(stateDirectory, `shop/${name}`);
    const folder = join(PACKAGE_ROOT, "examples/shop");
    const program = {
      command: process.execPath,
      args: [...SOURCE_FLAGS, join(folder, file)],
      environment: { PATH: environment["PATH"], HOME: "/", TZ: environment["TZ"], ...this.#shopEnvironment() },
      directory: "/",
    };
    const launch = await this.#launch(program, name, workload, { scratchDirectory, stdio });
    const started = { name, launch, workload };
    this.#programs.push(started);
    const errors = launch.launched.child.stderr;
    if (errors !== null) createInterface({ input: errors }).on("line", (line) => onError(name, line));
    // Who waits for it learns of its end by its output.
    launch.launched.ended.catch((error: unknown) => onError(name, String(error)));
    return started;
  }

  async #launch(
    program: Parameters<typeof launchAsWorkload>[0],
    name: string,
    workload: WorkloadLaunch,
    options: Parameters<typeof launchAsWorkload>[3],
  ): Promise<ConfinedLaunch> {
    const confinement = confinementOf(name, this.#options.readable);
    if (this.unconfinedBecause === undefined) {
      const launch = await launchAsWorkload(program, { confinement, isConfined: true }, workload, options);
      const problem = await problemOf(launch);
      if (problem === undefined) return launch;
      await launch.cgroup.remove();
      this.unconfinedBecause = problem;
    }
    return launchAsWorkload(program, { confinement, isConfined: false }, workload, options);
  }

  #shopEnvironment(): { readonly [name: string]: string } {
    const { policies, workloads, login } = this.#options;
    return {
      SHOP_POLICIES: policies,
      SHOP_WORKLOADS: workloads,
      SHOP_PORTS: JSON.stringify(this.ports),
      SHOP_LOGIN: login.issuer,
      SHOP_LOGIN_CA: login.authorities,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#programs.splice(0).map(async ({ launch, workload }) => {
        launch.launched.kill("SIGKILL");
        await launch.launched.ended.catch(() => undefined);
        workload.forget();
        await launch.cgroup.remove();
      }),
    );
  }
}

/** Why a confined program could not be started; undefined once it runs. */
async function problemOf({ launched }: ConfinedLaunch): Promise<string | undefined> {
  const started = new Promise<undefined>((resolve) => {
    const look = setInterval(() => {
      if (launched.receiver === undefined) return;
      clearInterval(look);
      resolve(undefined);
    }, 10);
    launched.child.once("exit", () => clearInterval(look));
  });
  const failed = launched.ended.then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  return Promise.race([started, failed]);
}

const confinementOf = (name: string, readable: readonly string[]): Confinement => ({
  name,
  profile: undefined,
  isComplaining: false,
  usesLandlock: false,
  network: "host",
  writable: [],
  readable,
  capabilities: [],
  identity: undefined,
  limits: { processes: 256 },
  temporaryBytes: 16 * MEBIBYTE,
  isOnTerminal: false,
});

/** Ports that were free a moment ago. */
async function freePorts(): Promise<Readonly<Record<ServiceName, number>>> {
  const servers = SERVICES.map(() => createServer().listen(0, "127.0.0.1"));
  const ports = await Promise.all(
    servers.map(async (server) => {
      await once(server, "listening");
      const address = server.address();
      return typeof address === "object" && address !== null ? address.port : 0;
    }),
  );
  for (const server of servers) server.close();
  // One port for each name, in their order.
  return Object.fromEntries(SERVICES.map((name, index) => [name, ports[index] ?? 0])) as Record<ServiceName, number>;
}

/** Makes calls from inside a workload. */
export class Shell {
  readonly #input: NodeJS.WritableStream;
  readonly #waiting = new Map<number, (answer: ShellAnswer) => void>();
  #asked = 0;

  constructor({ launched }: ConfinedLaunch) {
    const { stdin, stdout } = launched.child;
    if (stdin === null || stdout === null) throw new TypeError("expected a shell that reads and writes");
    this.#input = stdin;
    createInterface({ input: stdout }).on("line", (line) => {
      // Our own program, on the channel that only it has.
      const { id, ...answer } = JSON.parse(line) as ShellAnswer & { readonly id: number };
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
    launched.child.once("exit", () => {
      for (const answer of this.#waiting.values()) answer({ error: "the shell has ended", tookMs: 0 });
      this.#waiting.clear();
    });
  }

  call(call: ShellCall): Promise<ShellAnswer> {
    const id = this.#asked++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#input.write(`${JSON.stringify({ id, ...call })}\n`);
    });
  }
}
