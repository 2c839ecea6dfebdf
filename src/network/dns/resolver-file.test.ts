import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { formatIpAddress } from "../../lib/ip-network.ts";
import { parseResolvers, ResolverFile } from "./resolver-file.ts";

test("name servers are read, and nothing else", () => {
  const text =
    "# nameserver 192.0.2.9\nsearch a.test\nnameserver 192.0.2.1\n  nameserver\tfe80::1%eth0 \nnameserver nowhere\noptions ndots:5\n";
  expect(parseResolvers(text).map(formatIpAddress)).toEqual(["192.0.2.1", "fe80::1"]);
});

test("the file is read again when it has changed, at most each second; what cannot be read is what it was", () => {
  const folder = mkdtempSync(join(tmpdir(), "vigil-resolvers-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "resolv.conf");
  let nowMs = 0;
  const file = new ResolverFile(path, () => nowMs);
  const read = (): readonly string[] => file.addresses().map(formatIpAddress);
  expect(read()).toEqual([]);
  writeFileSync(path, "nameserver 192.0.2.1\n");
  expect(read()).toEqual([]);
  nowMs += 1_000;
  expect(read()).toEqual(["192.0.2.1"]);
  rmSync(path);
  mkdirSync(path);
  nowMs += 1_000;
  expect(read()).toEqual(["192.0.2.1"]);
  rmSync(path, { recursive: true });
  nowMs += 1_000;
  expect(read()).toEqual([]);
});
