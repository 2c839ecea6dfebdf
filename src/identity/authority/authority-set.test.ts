import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { DAY_MS, HOUR_MS, MINUTE_MS, TestClock, testAuthority } from "../../../test/identity/authority-in-process.ts";
import type { AuthorityKind, AuthorityPhase } from "./authority-record.ts";
import type { AuthoritySet } from "./authority-set.ts";
import type { JournalStorage } from "./journal.ts";
import { MemoryKeyStore } from "./memory-key-store.ts";
import { memoryStorage } from "./stored-journal.ts";

const phasesOf = (set: AuthoritySet, kind: AuthorityKind): readonly AuthorityPhase[] =>
  set.records.filter((record) => record.kind === kind).map(({ phase }) => phase);

const activeId = (set: AuthoritySet, kind: AuthorityKind): string =>
  set.records.find((record) => record.kind === kind && record.phase === "active")?.id ?? "";

const lifetimeOf = (): { readonly keyType: "ec-p256"; readonly ttlMs: number } => ({ keyType: "ec-p256", ttlMs: 24 * HOUR_MS });

describe.each<AuthorityKind>(["x509", "jwt", "wit"])("the life of a key: %s", (kind) => {
  test("prepared at half of it, active at two thirds, old until it expires, then gone", async () => {
    const { authority, clock } = await testAuthority({ lifetimeOf });
    const set = authority.authorities;
    const startMs = clock.nowMs;
    const first = activeId(set, kind);
    const at = async (hours: number): Promise<readonly AuthorityPhase[]> => {
      clock.nowMs = startMs + hours * HOUR_MS;
      await set.advance();
      return phasesOf(set, kind);
    };
    expect(phasesOf(set, kind)).toEqual(["active"]);
    expect(await at(11.9)).toEqual(["active"]);
    expect(await at(12.1)).toEqual(["active", "prepared"]);
    expect(activeId(set, kind)).toBe(first);
    expect(await at(15.9)).toEqual(["active", "prepared"]);
    expect(await at(16.1)).toEqual(["old", "active"]);
    expect(activeId(set, kind)).not.toBe(first);
    expect(await at(23.9)).toEqual(["old", "active"]);
    expect(await at(24.1)).toEqual(["gone", "active", "prepared"]);
    expect(set.records.find(({ id }) => id === first)?.phase).toBe("gone");
  });

  test("a machine that slept a month has one that signs when it wakes, and none that has expired", async () => {
    const { authority, clock } = await testAuthority({ lifetimeOf });
    const set = authority.authorities;
    clock.nowMs += 12.5 * HOUR_MS;
    await set.advance();
    clock.nowMs += 30 * DAY_MS;
    await set.advance();
    const living = set.records.filter((record) => record.kind === kind && record.phase !== "gone");
    expect(living.map(({ phase }) => phase)).toEqual(["active"]);
    expect(living.every(({ notAfterMs }) => notAfterMs > clock.nowMs)).toBe(true);
  });
});

test("the moment to come again is that of the next change", async () => {
  const { authority, clock } = await testAuthority({ lifetimeOf: () => ({ keyType: "ec-p256", ttlMs: HOUR_MS }) });
  const startMs = clock.nowMs;
  expect(await authority.authorities.advance()).toBe(startMs + HOUR_MS / 2);
  clock.nowMs = startMs + HOUR_MS / 2;
  expect(await authority.authorities.advance()).toBe(startMs + (HOUR_MS * 2) / 3);
});

test("a bundle names the next authority a sixth of a life before it signs, and asks to be fetched five times in between", async () => {
  const { authority } = await testAuthority({ lifetimeOf: () => ({ keyType: "ec-p256", ttlMs: HOUR_MS }) });
  expect(authority.authorities.refreshHintSeconds).toBe(120);
});

test("the sequence number of the bundle grows with each change of it, and with nothing else", async () => {
  const { authority } = await testAuthority();
  const set = authority.authorities;
  const before = set.bundle.sequence ?? 0n;
  await set.prepare("x509");
  expect(set.bundle.sequence).toBe(before + 1n);
  expect(set.bundle.x509Authorities).toHaveLength(2);
  await set.prepare("x509");
  await set.activate("x509", undefined, true);
  expect(set.bundle.sequence).toBe(before + 1n);
});

describe("by command", () => {
  test("a prepared authority is not activated before others can know it, unless forced", async () => {
    const { authority, clock } = await testAuthority();
    const set = authority.authorities;
    const { id } = await set.prepare("jwt");
    await expect(set.activate("jwt", undefined, false)).rejects.toMatchObject({ code: "AUTHORITY_NOT_PUBLISHED" });
    clock.nowMs += 26 * MINUTE_MS;
    expect((await set.activate("jwt", id, false)).id).toBe(id);
    expect(set.tokenSigner("jwt").record.id).toBe(id);
  });

  test("what signs cannot be tainted or revoked, what signed can", async () => {
    const { authority } = await testAuthority();
    const set = authority.authorities;
    const first = activeId(set, "x509");
    await expect(set.taint(first)).rejects.toMatchObject({ code: "AUTHORITY_PHASE" });
    await expect(set.revoke(first)).rejects.toMatchObject({ code: "AUTHORITY_PHASE" });
    await expect(set.activate("x509", undefined, true)).rejects.toMatchObject({ code: "AUTHORITY_PHASE" });
    await set.prepare("x509");
    await set.activate("x509", undefined, true);
    await set.taint(first);
    expect(authority.shared.taintedIds).toEqual([first]);
    expect(set.bundle.x509Authorities).toHaveLength(2);
    await set.revoke(first);
    expect(authority.shared.taintedIds).toEqual([]);
    expect(set.bundle.x509Authorities).toHaveLength(1);
    expect([...authority.shared.denials.authorityIds]).toEqual([first]);
    await expect(set.revoke("none")).rejects.toMatchObject({ code: "AUTHORITY_UNKNOWN" });
  });

  test("commands at the same time are done one after another", async () => {
    const { authority } = await testAuthority();
    const set = authority.authorities;
    const made = await Promise.all([set.prepare("wit"), set.prepare("wit"), set.prepare("wit")]);
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
  });
});

describe("keys", () => {
  test("that of an old authority is destroyed", async () => {
    const keyStore = new MemoryKeyStore();
    const { authority } = await testAuthority({ keyStore });
    const names = new Set(await keyStore.list());
    await authority.authorities.prepare("x509");
    await authority.authorities.activate("x509", undefined, true);
    const left = (await keyStore.list()).filter((name) => names.has(name));
    expect(left.filter((name) => name.startsWith("x509"))).toEqual([]);
    expect(left).toHaveLength(2);
  });

  test("without a record they are removed at the start", async () => {
    const keyStore = new MemoryKeyStore();
    const storage = memoryStorage();
    await testAuthority({ keyStore, storage });
    await keyStore.create("x509-orphan", "ec-p256");
    await testAuthority({ keyStore, storage });
    expect(await keyStore.list()).toHaveLength(3);
    expect(await keyStore.list()).not.toContain("x509-orphan");
  });

  test("one that is lost is replaced, and what it signed stays trusted", async () => {
    const keyStore = new MemoryKeyStore();
    const storage = memoryStorage();
    const first = await testAuthority({ keyStore, storage });
    const lost = activeId(first.authority.authorities, "x509");
    for (const name of await keyStore.list()) if (name.startsWith("x509")) await keyStore.delete(name);
    const second = await testAuthority({ keyStore, storage });
    expect(second.news.map(({ action, record }) => `${action} ${record.kind}`)).toEqual(["lose key x509", "prepare x509", "activate x509"]);
    expect(second.authority.authorities.records.find(({ id }) => id === lost)?.phase).toBe("old");
    expect(second.authority.authorities.bundle.x509Authorities).toHaveLength(2);
  });

  test("another key under the name of an authority is not used", async () => {
    const keyStore = new MemoryKeyStore();
    const storage = memoryStorage();
    await testAuthority({ keyStore, storage });
    const name = (await keyStore.list()).find((known) => known.startsWith("jwt")) ?? "";
    await keyStore.delete(name);
    await keyStore.create(name, "ec-p256");
    const { news } = await testAuthority({ keyStore, storage });
    expect(news.map(({ action }) => action)).toEqual(["lose key", "prepare", "activate"]);
  });
});

describe("the journal", () => {
  test("keeps everything over a restart", async () => {
    const keyStore = new MemoryKeyStore();
    const storage = memoryStorage();
    const first = await testAuthority({ keyStore, storage });
    await first.authority.authorities.prepare("x509");
    await first.authority.deny({ spiffeIds: ["spiffe://example.org/a"], serials: ["0aff"], reason: "test", remove: false });
    await first.authority.rotate(["spiffe://example.org/b"]);
    await first.authority.createJoinToken("edge", MINUTE_MS);
    const second = await testAuthority({ keyStore, storage });
    expect(second.journal.state).toEqual(first.journal.state);
    expect(second.authority.authorities.bundle.sequence).toBe(first.authority.authorities.bundle.sequence);
  });

  test("that cannot be written changes nothing, and names the remedy", async () => {
    const kept = memoryStorage();
    let isFull = false;
    const storage: JournalStorage = {
      read: kept.read,
      write: async (text) => (isFull ? Promise.reject(new Error("ENOSPC")) : kept.write(text)),
    };
    const keyStore = new MemoryKeyStore();
    const { authority } = await testAuthority({ storage, keyStore });
    const [before, keys] = [authority.authorities.records, await keyStore.list()];
    isFull = true;
    await expect(authority.authorities.prepare("x509")).rejects.toMatchObject({ code: "AUTHORITY_STATE_UNWRITABLE" });
    await expect(authority.deny({ spiffeIds: [], serials: ["aa"], reason: "", remove: false })).rejects.toMatchObject({
      code: "AUTHORITY_STATE_UNWRITABLE",
    });
    expect(authority.authorities.records).toEqual(before);
    expect(await keyStore.list()).toEqual(keys);
    isFull = false;
    expect((await authority.authorities.prepare("x509")).phase).toBe("prepared");
  });

  test.each(["", "{", "[]", '{"version":2}', '{"version":1,"trustDomain":"example.org"}'])("that holds `%s` is damaged", async (text) => {
    const storage: JournalStorage = { read: async () => Buffer.from(text), write: async () => undefined };
    await expect(testAuthority({ storage })).rejects.toMatchObject({ code: "AUTHORITY_STATE_DAMAGED" });
  });

  test("of which any part is cut off is damaged", async () => {
    const storage = memoryStorage();
    await testAuthority({ storage });
    const text = (await storage.read()) ?? Buffer.of();
    for (let length = 0; length < text.length; length += 97) {
      const cut: JournalStorage = { read: async () => text.subarray(0, length), write: async () => undefined };
      await expect(testAuthority({ storage: cut })).rejects.toMatchObject({ code: "AUTHORITY_STATE_DAMAGED" });
    }
  });

  test("of another trust domain is refused, and so are keys without one", async () => {
    const storage = memoryStorage();
    const keyStore = new MemoryKeyStore();
    await testAuthority({ storage, keyStore });
    await expect(testAuthority({ storage, keyStore, trustDomain: "other.org" })).rejects.toMatchObject({ code: "AUTHORITY_TRUST_DOMAIN" });
    await expect(testAuthority({ keyStore })).rejects.toMatchObject({ code: "AUTHORITY_STATE_DAMAGED" });
  });
});

test("nothing signs after its end, even when nobody has replaced it", async () => {
  const { authority, clock } = await testAuthority();
  clock.nowMs += 31 * DAY_MS;
  expect(() => authority.authorities.certificateSigner()).toThrow(expect.objectContaining({ code: "AUTHORITY_NONE_ACTIVE" }));
  const spki = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ type: "spki", format: "der" });
  const refused = await authority.signAgent(authority.agentIdOf("a"), spki);
  expect(refused).toMatchObject({ ok: false, error: { code: "AUTHORITY_NONE_ACTIVE" } });
});

test("an authority above that is away does not keep one that signs from starting, and one that cannot sign does not start", async () => {
  const clock = new TestClock();
  const [storage, keyStore] = [memoryStorage(), new MemoryKeyStore()];
  const upstream = { name: "away", issue: () => Promise.reject(new Error("nobody answers")) };
  await testAuthority({ storage, keyStore, nowMs: clock.read });
  clock.nowMs += 16 * DAY_MS;
  const again = await testAuthority({ storage, keyStore, upstream, nowMs: clock.read });
  expect(again.authority.authorities.certificateSigner().record.phase).toBe("active");
  await expect(again.authority.authorities.advance()).rejects.toThrow("nobody answers");
  clock.nowMs += 15 * DAY_MS;
  await expect(testAuthority({ storage, keyStore, upstream, nowMs: clock.read })).rejects.toThrow("nobody answers");
});
