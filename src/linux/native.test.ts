import { readlinkSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { LinuxCallError } from "./linux-error.ts";
import { addressOf, closeDescriptor, load, mustSyscall, SharedMemory, syscall, watchReadable } from "./native.ts";

const O_RDWR = 2;
const AT_FDCWD = -100;

describe("a system call", () => {
  test("returns its value", () => {
    expect(syscall("getpid")).toEqual({ value: process.pid, errno: 0 });
  });
  test("fails with the kernel's errno", () => {
    expect(syscall("close", -1)).toEqual({ value: -1, errno: 9 });
  });
  test("fails with ENOSYS for a number that no kernel has", () => {
    expect(syscall(100_000)).toEqual({ value: -1, errno: 38 });
  });
  test("reads and fills buffers, also those that lie in the middle of another", () => {
    const buffer = new Uint8Array(64).subarray(8, 40);
    const path = Buffer.from("/proc/self/exe\0");
    const length = mustSyscall("read the link", "readlinkat", AT_FDCWD, path, buffer, buffer.length);
    expect(Buffer.from(buffer.subarray(0, length)).toString()).toBe(readlinkSync("/proc/self/exe").slice(0, 32));
  });
  test("that must succeed throws what was tried, with the name of the error", () => {
    const attempt = (): number => mustSyscall("open `/nowhere`", "openat", AT_FDCWD, Buffer.from("/nowhere\0"), O_RDWR);
    expect(attempt).toThrow(LinuxCallError);
    expect(attempt).toThrow("cannot open `/nowhere`: no such file or directory (ENOENT)");
  });
  test("gives an empty buffer as a null pointer", () => {
    expect(addressOf(new Uint8Array(0))).toBe(0n);
  });
});

describe("where there are no native calls", () => {
  test.each([
    ["darwin", "arm64"],
    ["linux", "ppc64"],
  ])("%s on %s is refused by name", (platform, machine) => {
    expect(() => load(platform, machine)).toThrow(`expected Linux on x64 or arm64, got ${platform} on ${machine}`);
  });
});

describe("shared memory", () => {
  const memoryFile = (): number => {
    const descriptor = mustSyscall("create a memory file", "memfd_create", Buffer.from("test\0"), 0);
    mustSyscall("give it a size", "ftruncate", descriptor, 8192);
    return descriptor;
  };

  test("is seen through every mapping, and out of reach once it is disposed", () => {
    const descriptor = memoryFile();
    const first = new SharedMemory(descriptor, { sizeBytes: 8192, isWritable: true });
    const second = new SharedMemory(descriptor, { sizeBytes: 4096, offsetBytes: 4096 });
    closeDescriptor(descriptor);
    const written = new Int32Array(first.buffer);
    const seen = new Int32Array(second.buffer);
    Atomics.store(written, 1024, 42);
    expect(Atomics.load(seen, 0)).toBe(42);
    first[Symbol.dispose]();
    expect(written).toHaveLength(0);
    expect(seen[0]).toBe(42);
    second[Symbol.dispose]();
    second[Symbol.dispose]();
    expect(seen).toHaveLength(0);
  });

  test("can be mapped and unmapped any number of times at the same address", () => {
    const descriptor = memoryFile();
    for (let round = 0; round < 1000; round++) {
      using memory = new SharedMemory(descriptor, { sizeBytes: 8192, isWritable: true });
      const words = new Int32Array(memory.buffer);
      expect(words[0]).toBe(round);
      words[0] = round + 1;
    }
    closeDescriptor(descriptor);
  });

  test("is refused for a descriptor that is none", () => {
    expect(() => new SharedMemory(-1, { sizeBytes: 4096 })).toThrow("bad file descriptor (EBADF)");
  });
});

describe("watching a descriptor", () => {
  const counter = (): number => mustSyscall("create an event counter", "eventfd2", 0, 0);
  const add = (descriptor: number): number => mustSyscall("add", "write", descriptor, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), 8);

  test("calls back while it can be read, where promises work", async () => {
    const descriptor = counter();
    const { promise, resolve } = Promise.withResolvers<number>();
    let calls = 0;
    using _watch = watchReadable(descriptor, () => {
      if (++calls === 3) resolve(calls);
    });
    add(descriptor);
    expect(await promise).toBe(3);
    closeDescriptor(descriptor);
  });

  test("ends when it is disposed, also with a call under way", async () => {
    const descriptor = counter();
    let calls = 0;
    const watch = watchReadable(descriptor, () => {
      calls++;
      watch[Symbol.dispose]();
    });
    add(descriptor);
    while (calls === 0) await turn();
    for (let round = 0; round < 10; round++) await turn();
    expect(calls).toBe(1);
    watch.unref();
    watch[Symbol.dispose]();
    closeDescriptor(descriptor);
  });
});
