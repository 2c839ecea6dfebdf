import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HOUR_MS, testAuthority } from "../../../test/identity/authority-in-process.ts";
import { DiskKeyStore } from "./disk-key-store.ts";
import { fileStorage } from "./stored-journal.ts";

const root = mkdtempSync(join(tmpdir(), "vigil-keys-"));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;
const fresh = (): string => join(root, `store-${count++}`);

test("keys are private files, and are the same when they are loaded again", async () => {
  const directory = fresh();
  const store = await DiskKeyStore.open(directory);
  const key = await store.create("x509-1", "ec-p384");
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  expect(statSync(join(directory, "x509-1.pem")).mode & 0o777).toBe(0o600);
  const again = await (await DiskKeyStore.open(directory)).load("x509-1");
  expect(again).toMatchObject({ kind: "key", key: { keyType: "ec-p384", publicKeyInfo: key.publicKeyInfo } });
  await store.delete("x509-1");
  await store.delete("x509-1");
  expect(await store.load("x509-1")).toEqual({ kind: "absent" });
  expect(await store.list()).toEqual([]);
});

test("a directory that others may look into is refused", async () => {
  const directory = fresh();
  mkdirSync(directory);
  chmodSync(directory, 0o750);
  await expect(DiskKeyStore.open(directory)).rejects.toMatchObject({ code: "AUTHORITY_KEY_UNREADABLE" });
});

test("a key that is cut anywhere is damaged, and never another key", async () => {
  const directory = fresh();
  const store = await DiskKeyStore.open(directory);
  await store.create("jwt-1", "ec-p256");
  const path = join(directory, "jwt-1.pem");
  const whole = readFileSync(path);
  for (let length = 0; length < whole.length - 1; length++) {
    writeFileSync(path, whole.subarray(0, length));
    expect((await store.load("jwt-1")).kind).toBe("damaged");
  }
});

test("what a write left that was cut short is removed", async () => {
  const directory = fresh();
  await DiskKeyStore.open(directory);
  writeFileSync(join(directory, "x509-2.pem.0123456789ab.tmp"), "-----BEGIN");
  const store = await DiskKeyStore.open(directory);
  expect(readdirSync(directory)).toEqual([]);
  expect(await store.list()).toEqual([]);
});

test.each(["../escape", "", "A", "a/b", ".hidden"])("`%s` is no name of a key", async (name) => {
  const store = await DiskKeyStore.open(fresh());
  await expect(store.load(name)).rejects.toThrow(RangeError);
});

describe("on a full disk", () => {
  const disk = join(root, "disk");
  beforeAll(() => {
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", disk]);
  });
  afterAll(() => {
    execFileSync("umount", [disk]);
  });

  test("nothing changes, the error says so, what signs goes on, and afterwards all is well", async () => {
    const open = async (): ReturnType<typeof testAuthority> =>
      testAuthority({
        keyStore: await DiskKeyStore.open(join(disk, "keys")),
        storage: fileStorage(join(disk, "journal.json")),
        lifetimeOf: () => ({ keyType: "ec-p256", ttlMs: HOUR_MS }),
      });
    const { authority, journal, clock } = await open();
    const before = journal.state;
    const filler = join(disk, "filler");
    // To the last block: a short write fails, and the blocks before it stay taken.
    expect(() => writeFileSync(filler, Buffer.alloc(1 << 20))).toThrow(/ENOSPC/);
    await expect(authority.authorities.prepare("x509")).rejects.toMatchObject({ code: "AUTHORITY_STATE_UNWRITABLE" });
    await expect(authority.deny({ spiffeIds: ["spiffe://example.org/a"], serials: [], reason: "", remove: false })).rejects.toMatchObject({
      code: "AUTHORITY_STATE_UNWRITABLE",
    });
    clock.nowMs += HOUR_MS / 2;
    await expect(authority.authorities.advance()).rejects.toMatchObject({ code: "AUTHORITY_STATE_UNWRITABLE" });
    expect(journal.state).toBe(before);
    expect(authority.authorities.certificateSigner().record.phase).toBe("active");
    expect((await open()).journal.state).toEqual(before);
    rmSync(filler);
    await authority.authorities.advance();
    expect(authority.authorities.records.map(({ phase }) => phase).sort()).toEqual([
      "active",
      "active",
      "active",
      "prepared",
      "prepared",
      "prepared",
    ]);
  });
});
