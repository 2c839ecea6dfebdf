import { expect, test } from "vitest";
import { RUNTIME_EVENTS } from "../resource/runtime-event-name.ts";
import { sourcesOf } from "./event-sources.ts";

test("the network, signals and programs need no system call", () => {
  const events = ["process.exec", "process.signal", "network.connect", "network.bind", "network.listen"] as const;
  const sources = sourcesOf({ events, calls: [], mayWatchCalls: true });
  expect(sources).toMatchObject({ calls: [], attempts: [], untold: [], attempted: [], unknown: [] });
  expect([...sources.hooks].sort()).toEqual(["bind", "connect", "listen", "signal"]);
});

test("what always asks for a capability is told by that, unless calls are told anyway", () => {
  const alone = sourcesOf({ events: ["process.bpf", "process.module"], calls: [], mayWatchCalls: true });
  expect(alone.calls).toEqual([]);
  expect([...alone.attempts].sort()).toEqual(["bpf", "delete_module", "finit_module", "init_module"]);
  const besides = sourcesOf({ events: ["process.bpf", "file.delete"], calls: [], mayWatchCalls: true });
  expect(besides.attempts).toEqual([]);
  expect([...besides.calls].sort()).toEqual(["bpf", "rmdir", "unlink", "unlinkat"]);
});

test("without calls, what may ask for a capability is told as attempted, and the rest is named", () => {
  const sources = sourcesOf({ events: RUNTIME_EVENTS, calls: ["openat"], mayWatchCalls: false });
  expect(sources.calls).toEqual([]);
  expect(sources.attempted).toEqual([
    "process.credentials",
    "process.namespace",
    "process.mount",
    "process.module",
    "process.bpf",
    "network.socket",
  ]);
  expect(sources.untold).toEqual(RUNTIME_EVENTS.filter((name) => /^file\.|ptrace|memfd|accept/.test(name)));
});

test("what a rule of Falco wants by its return is told by that alone", () => {
  const sources = sourcesOf({ events: ["network.connect", "network.bind"], calls: ["connect", "execve", "nonsense"], mayWatchCalls: true });
  expect(sources.calls).toEqual(["connect"]);
  expect([...sources.hooks]).toEqual(["bind"]);
  expect(sources.unknown).toEqual(["nonsense"]);
});

test("where the kernel does not say when it asks for capabilities, only calls tell what needs them", () => {
  const older = { calls: [], tellsCapabilities: false } as const;
  const on = sourcesOf({ ...older, events: ["process.bpf", "process.capability", "network.connect"], mayWatchCalls: true });
  expect(on).toMatchObject({ calls: ["bpf"], attempts: [], untold: ["process.capability"] });
  const off = sourcesOf({ ...older, events: ["process.bpf", "network.connect"], mayWatchCalls: false });
  expect(off).toMatchObject({ calls: [], attempts: [], untold: ["process.bpf"] });
  expect([...off.hooks]).toEqual(["connect"]);
  const withoutCgroups = { events: ["network.connect", "network.listen"], calls: [], hasCgroups: false } as const;
  expect(sourcesOf({ ...withoutCgroups, mayWatchCalls: false })).toMatchObject({ untold: ["network.connect"] });
  expect(sourcesOf({ ...withoutCgroups, mayWatchCalls: true })).toMatchObject({ untold: [], calls: ["connect"] });
});
