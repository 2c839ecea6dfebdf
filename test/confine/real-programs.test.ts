/**
 * Real programs: each is recorded while it does its own small test, and does it again under its profile with nothing refused. What it must
 * not do is then refused and named.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readProfile } from "../../src/target/seccomp/profile-document.ts";
import { runVigil } from "./recorded-program.ts";

let directory: string;

interface Program {
  readonly command: readonly string[];
  /** Throws unless the program does what it is for. Programs without one end by themselves. */
  readonly use?: () => Promise<void>;
  /** What it does the second time (with its data there) differs from the first: both are recorded, and merged. */
  readonly hasState?: true;
}

const PORT = { nginx: 18181, redis: 18182, postgres: 18183, go: 18184, node: 18185 } as const;

async function untilListening(port: number): Promise<void> {
  for (;;) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        resolve(true);
      }).once("error", () => resolve(false));
    });
    if (isOpen) return;
    await pause(50);
  }
}

async function get(port: number, expected: string): Promise<void> {
  await untilListening(port);
  for (let round = 0; round < 3; round++) {
    const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } });
    expect(await response.text()).toContain(expected);
  }
}

async function run(command: string, ...args: readonly string[]): Promise<string> {
  const child = spawn(command, [...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk) => {
    output += chunk;
  });
  await once(child, "close");
  return output;
}

const postgresBinaries = (): string => {
  const version = readdirSync("/usr/lib/postgresql").sort().at(-1) ?? "";
  return `/usr/lib/postgresql/${version}/bin`;
};

const GO_SERVER = `package main

import (
	"net"
	"os"
)

func main() {
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		panic(err)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go func() {
			connection.Read(make([]byte, 4096))
			connection.Write([]byte("HTTP/1.0 200 OK\\r\\n\\r\\nhello from go"))
			connection.Close()
		}()
	}
}
`;

beforeAll(async () => {
  if (process.getuid?.() !== 0) throw new Error("these tests record in the kernel, which needs root");
  directory = mkdtempSync("/var/tmp/vigil-programs-");
  chmodSync(directory, 0o755);
  writeFileSync(
    join(directory, "nginx.conf"),
    `daemon off; worker_processes 1; pid ${directory}/nginx.pid; error_log ${directory}/error.log; events {}
http { access_log off; client_body_temp_path ${directory}; proxy_temp_path ${directory}; fastcgi_temp_path ${directory}; uwsgi_temp_path ${directory}; scgi_temp_path ${directory};
server { listen 127.0.0.1:${PORT.nginx}; root ${directory}/www; } }`,
  );
  mkdirSync(join(directory, "www"));
  writeFileSync(join(directory, "www/index.html"), "hello from nginx");
  writeFileSync(join(directory, "server.go"), GO_SERVER);
  writeFileSync(
    join(directory, "server.mjs"),
    `import { createServer } from "node:http"; createServer((_, response) => response.end("hello from node")).listen(${PORT.node}, "127.0.0.1");`,
  );
  // The user's own build cache, since the first build compiles much of the standard library.
  execFileSync("go", ["build", "-o", join(directory, "server"), join(directory, "server.go")], { stdio: "ignore" });
  mkdirSync(join(directory, "postgres"));
  execFileSync("chown", ["-R", "postgres", join(directory, "postgres")]);
  const initialise = [`${postgresBinaries()}/initdb`, "-D", join(directory, "postgres"), "-A", "trust", "--no-sync"];
  execFileSync("setpriv", ["--reuid", "postgres", "--regid", "postgres", "--clear-groups", ...initialise], { cwd: "/", stdio: "ignore" });
}, 300_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const PROGRAMS: { readonly [name: string]: () => Program } = {
  nginx: () => ({
    command: ["/usr/sbin/nginx", "-c", join(directory, "nginx.conf")],
    use: () => get(PORT.nginx, "hello from nginx"),
  }),
  redis: () => ({
    command: ["/usr/bin/redis-server", "--port", String(PORT.redis), "--save", "", "--dir", directory],
    use: async () => {
      await untilListening(PORT.redis);
      expect(await run("redis-cli", "-p", String(PORT.redis), "set", "a", "1")).toContain("OK");
      expect(await run("redis-cli", "-p", String(PORT.redis), "incr", "a")).toContain("2");
    },
  }),
  postgres: () => ({
    hasState: true,
    command: [
      ...["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"],
      ...[`${postgresBinaries()}/postgres`, "-D", join(directory, "postgres"), "-p", String(PORT.postgres)],
      ...["-c", `unix_socket_directories=${directory}/postgres`, "-c", "fsync=off"],
    ],
    use: async () => {
      await untilListening(PORT.postgres);
      const sql = "drop table if exists t; create table t (n int); insert into t select generate_series(1, 100); select sum(n) from t";
      for (let round = 0; ; round++) {
        const said = await run("psql", "-h", "127.0.0.1", "-p", String(PORT.postgres), "-U", "postgres", "-At", "-c", sql);
        if (said.includes("5050")) return;
        // It listens before it is ready.
        if (round > 50) throw new Error(said);
        await pause(100);
      }
    },
  }),
  go: () => ({ command: [join(directory, "server"), `127.0.0.1:${PORT.go}`], use: () => get(PORT.go, "hello from go") }),
  node: () => ({ command: [process.execPath, join(directory, "server.mjs")], use: () => get(PORT.node, "hello from node") }),
  python: () => ({
    command: [
      "/usr/bin/python3",
      "-c",
      "import json, tempfile, threading, hashlib; f = tempfile.TemporaryFile(); f.write(json.dumps([1]).encode()); t = threading.Thread(target=lambda: hashlib.sha256(b'x').hexdigest()); t.start(); t.join()",
    ],
  }),
  curl: () => ({ command: ["/usr/bin/curl", "-s", "-o", "/dev/null", `file://${directory}/www/index.html`] }),
  git: () => ({
    hasState: true,
    command: [
      "/bin/sh",
      "-c",
      `rm -rf ${directory}/git && git init -q ${directory}/git && cd ${directory}/git && git -c user.name=a -c user.email=a commit -q --allow-empty -m first && git log --oneline`,
    ],
  }),
};

describe.each(Object.keys(PROGRAMS))("%s", (name) => {
  test("is recorded, and works under its profile with nothing refused", { timeout: 60_000 }, async () => {
    const { command, use, hasState } = PROGRAMS[name]?.() ?? { command: [] };
    const file = join(directory, `${name}.json`);
    const runs = (hasState ? ["first", "second"] : ["only"]).map((run) => join(directory, `${name}-${run}.json`));
    for (const run of runs)
      expect(await runVigil(["profile", "record", "--output", run, "--", ...command], use)).toMatchObject({ code: 0 });
    expect((await runVigil(["profile", "merge", "--output", file, ...runs])).code).toBe(0);
    const profile = readProfile(readFileSync(file), file);
    const names = profile.ok ? profile.value.calls.map((call) => call.name) : [];
    expect(names).toContain("execve");
    expect(names.length).toBeLessThan(150);

    const verified = await runVigil(["profile", "verify", "--format", "json", file, "--", ...command], use);
    const { violations } = JSON.parse(verified.output.slice(verified.output.indexOf("{\n")));
    expect(violations).toEqual([]);
  });
});

describe("a program that does what it was not recorded doing is stopped, and what it did is named:", () => {
  const python = (code: string): readonly string[] => ["/usr/bin/python3", "-c", code];
  let profile: string;
  beforeAll(async () => {
    profile = join(directory, "honest.json");
    const honest = python("import ctypes, os, socket; print(ctypes.sizeof(ctypes.c_int))");
    expect((await runVigil(["profile", "record", "--output", profile, "--", ...honest])).code).toBe(0);
  }, 30_000);

  test.each([
    ["spawns a shell", "import os; os.fork() or os.execv('/bin/sh', ['sh', '-c', 'touch spawned'])", /\b(fork|clone|vfork)\b/],
    ["loads a module", "import ctypes; l = ctypes.CDLL(None); print(l.syscall(175, b'', 0, b''))", /init_module was refused once/],
    [
      "opens a raw socket",
      "import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
      /socket with family=inet type=raw protocol=0x1 was refused/,
    ],
    ["traces another process", "import ctypes; ctypes.CDLL(None).ptrace(16, 1, 0, 0)", /ptrace .*was refused/],
  ])("%s", { timeout: 30_000 }, async (_, code, named) => {
    const { code: exitCode, notes } = await runVigil(["profile", "verify", profile, "--", ...python(code)]);
    expect(notes).toMatch(named);
    expect(exitCode).toBe(1);
  });

  test("the amendment allows it, for whoever agrees", { timeout: 30_000 }, async () => {
    const amended = join(directory, "amended.json");
    const honest = python("import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()");
    expect((await runVigil(["profile", "verify", "--amended", amended, profile, "--", ...honest])).code).toBe(1);
    expect((await runVigil(["profile", "verify", amended, "--", ...honest])).code).toBe(0);
    expect((await runVigil(["profile", "diff", profile, amended])).output).toContain("+ socket");
  });

  test("complaining lets it pass and names it", { timeout: 30_000 }, async () => {
    const { notes } = await runVigil([
      ...["profile", "verify", "--complain", profile, "--"],
      ...python("import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM); print('passed')"),
    ]);
    expect(notes).toContain("socket with family=inet type=dgram protocol=0x0 would be refused once");
  });

  test("in a container of runc it is refused by the exported profile", { timeout: 30_000 }, async () => {
    const inRunc = (code: string): ReturnType<typeof runVigil> => runVigil(["profile", "verify", "--runc", profile, "--", ...python(code)]);
    expect(await inRunc("print('fine')")).toMatchObject({ code: 0 });
    expect((await inRunc("import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)")).notes).toContain("ended with 1");
  });
});

describe("a recording", () => {
  test("as an ordinary user asks Vigil at each call, and finds the same calls", { timeout: 60_000 }, async () => {
    const file = join(directory, "user.json");
    writeFileSync(file, "");
    chmodSync(file, 0o666);
    const byKernel = join(directory, "kernel.json");
    const command = ["/usr/bin/python3", "-c", "print(1)"];
    await runVigil(["profile", "record", "--exact", "--output", byKernel, "--", ...command]);
    await runVigil(["profile", "record", "--exact", "--by", "notify", "--output", file, "--", ...command]);
    const { output } = await runVigil(["profile", "diff", byKernel, file]);
    expect(output.split("\n").filter((line) => /^[-+] \w+$/.test(line))).toEqual([]);
  });

  test("that is killed keeps what it had", { timeout: 60_000 }, async () => {
    const file = join(directory, "killed.json");
    await runVigil(["profile", "record", "--output", file, "--", "/bin/sleep", "600"], async (vigil) => {
      while (!existsSync(file)) await pause(50);
      vigil.kill("SIGKILL");
    });
    expect(readProfile(readFileSync(file), file).ok).toBe(true);
  });

  test("of two workloads at once keeps them apart, and leaves nothing attached", { timeout: 60_000 }, async () => {
    const files = ["a", "b"].map((name) => join(directory, `${name}.json`));
    const [first = "", second = ""] = files;
    await Promise.all([
      runVigil(["profile", "record", "--exact", "--output", first, "--", "/bin/sh", "-c", "sleep 1; mkdir -p /tmp/vigil-a"]),
      runVigil(["profile", "record", "--exact", "--output", second, "--", "/bin/sh", "-c", "sleep 1; cat /etc/hostname"]),
    ]);
    const [a, b] = files.map((file) => {
      const read = readProfile(readFileSync(file), file);
      return read.ok ? read.value.calls.map(({ name }) => name) : [];
    });
    expect(a).toContain("mkdir");
    expect(b).not.toContain("mkdir");
    expect(spawnSync("/usr/sbin/bpftool", ["link"], { encoding: "utf8" }).stdout ?? "").not.toContain("record_calls");
  });
});
