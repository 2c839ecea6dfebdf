/** What each entry point may load, and why: a process that reaches little can be attacked through little. */
import { describe, expect, test } from "vitest";
import { closureOf, MODULES } from "./source-tree.ts";

interface Border {
  readonly entry: string;
  readonly why: string;
  /** What it loads when it starts is meant, rather than all that it may ever load. */
  readonly atStart?: true;
  /** Modules of Vigil that it may reach, by the beginning of their paths; absent means any. */
  readonly modules?: readonly string[];
  /** Modules that it may not reach. */
  readonly without?: readonly string[];
  /** Modules of Node.js that it may reach; absent means any. */
  readonly packages?: readonly string[];
}

const BORDERS: readonly Border[] = [
  {
    entry: "src/cel/index.ts",
    why: "the published compiler needs nothing else, and of these only what computes",
    modules: ["src/cel/", "src/lib/"],
    packages: ["node:buffer", "node:crypto", "node:zlib"],
  },
  {
    entry: "src/ebpf/index.ts",
    why: "the toolkit loads native calls when the first is made, and no other part of Vigil",
    modules: ["src/ebpf/", "src/linux/", "src/lib/"],
    packages: ["koffi", "node:buffer", "node:fs", "node:module", "node:path", "node:util"],
  },
  {
    entry: "src/spiffe/index.ts",
    why: "whoever verifies identities loads nothing that listens or connects",
    modules: ["src/spiffe/", "src/lib/"],
    packages: ["node:buffer", "node:crypto"],
  },
  {
    entry: "src/service/index.ts",
    why: "a service that wants mutual TLS loads no engine of Vigil, and no library but that of the Workload API",
    modules: ["src/service/", "src/spiffe/", "src/grpc/", "src/lib/"],
    without: ["src/lib/yaml/", "src/grpc/server.ts", "src/grpc/server-call.ts"],
    packages: [
      "@bufbuild/protobuf",
      "@bufbuild/protobuf/codegenv2",
      "@bufbuild/protobuf/wkt",
      "node:buffer",
      "node:crypto",
      "node:events",
      "node:fs/promises",
      "node:http",
      "node:http2",
      "node:https",
      "node:net",
      "node:path",
      "node:stream",
      "node:timers/promises",
      "node:tls",
    ],
  },
  {
    entry: "src/service/access/index.ts",
    why: "a service that judges its calls loads the compiler of policies, and nothing that asks somebody else",
    modules: [
      "src/service/",
      "src/policy/access/",
      "src/policy/label-match.ts",
      "src/resource/",
      "src/cel/",
      "src/spiffe/",
      "src/grpc/",
      "src/lib/",
    ],
    without: ["src/service/workload-identity.ts", "src/grpc/server.ts"],
  },
  {
    entry: "src/spiffe/workload-api/index.ts",
    why: "whoever fetches identities loads what connects, and nothing of Vigil beside it",
    modules: ["src/spiffe/", "src/grpc/", "src/lib/"],
    without: ["src/grpc/server.ts", "src/grpc/server-call.ts"],
  },
  {
    entry: "src/cmd/supervisor.ts",
    why: "the process that may be root opens no socket and parses nothing from outside",
    modules: ["src/cmd/supervis", "src/lib/error.ts"],
    packages: ["node:child_process", "node:events", "node:url"],
  },
  {
    entry: "src/cmd/authority.ts",
    why: "the process that holds the keys of the trust domain parses no admission review, runs no policy, and serves no workload",
    without: [
      "src/admission/",
      "src/policy/",
      "src/evidence/",
      "src/identity/agent/",
      "src/identity/attestation/",
      "src/resource/validating-",
      "src/cmd/commands/",
      "src/cmd/main.ts",
      "src/cmd/supervis",
    ],
  },
  {
    entry: "src/cmd/control.ts",
    why: "the service has no command line, and starts no process",
    without: ["src/cmd/commands/", "src/cmd/main.ts", "src/cmd/run-command-line.ts", "src/cmd/supervis", "src/policy/kyverno-test/"],
  },
  {
    entry: "src/cmd/agent.ts",
    why: "the agent, which every process of the machine can call, reads no policies and judges nothing",
    without: [
      "src/admission/",
      "src/cel/",
      "src/cmd/commands/",
      "src/cmd/control/",
      "src/cmd/main.ts",
      "src/cmd/supervis",
      "src/evidence/",
      "src/identity/authority/",
      "src/policy/",
      "src/resource/",
    ],
  },
  {
    entry: "src/cmd/network.ts",
    why: "the process that is root for the kernel's sake serves no reviews, holds no keys, and stores nothing",
    without: [
      "src/admission/",
      "src/cmd/commands/",
      "src/cmd/control/",
      "src/cmd/main.ts",
      "src/cmd/supervis",
      "src/evidence/",
      "src/identity/agent/",
      "src/identity/authority/authority.ts",
      "src/identity/authority/disk-key-store.ts",
    ],
  },
  {
    entry: "src/cmd/run-command-line.ts",
    why: "rows of the catalogue are light: engines are loaded by the command that needs them",
    atStart: true,
    modules: ["src/cmd/", "src/lib/"],
    without: [
      "src/cmd/check/",
      "src/cmd/control/",
      "src/cmd/events/",
      "src/cmd/identity/",
      "src/cmd/kernel/",
      "src/cmd/policy/",
      "src/cmd/up/",
    ],
  },
];

describe.each(BORDERS)("$entry: $why", ({ entry, modules, without = [], packages, atStart }) => {
  const reached = [...closureOf(entry, atStart ? "start" : "ever")];
  const begins = (path: string, prefixes: readonly string[]): boolean => prefixes.some((prefix) => path.startsWith(prefix));

  test("exists, and what it must not reach exists", () => {
    const paths = MODULES.map(({ path }) => path);
    expect(paths).toContain(entry);
    expect([...without, ...(modules ?? [])].filter((prefix) => !paths.some((path) => path.startsWith(prefix)))).toEqual([]);
  });
  test("reaches no module beyond its border", () => {
    const beyond = reached.filter(({ path }) => begins(path, without) || (modules !== undefined && !begins(path, modules)));
    expect(beyond.map(({ path }) => path)).toEqual([]);
  });
  test("reaches no module of Node.js beyond its border", () => {
    const used = new Set(reached.flatMap((module) => module.packages));
    expect([...used].filter((name) => packages !== undefined && !packages.includes(name))).toEqual([]);
  });
});
