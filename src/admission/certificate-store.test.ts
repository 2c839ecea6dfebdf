import { X509Certificate } from "node:crypto";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { SubjectName } from "../lib/certificate.ts";
import type { ServingCertificate } from "./certificate-source.ts";
import { CertificateStore } from "./certificate-store.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const NAMES: readonly SubjectName[] = [
  { kind: "dns", value: "vigil.vigil-system.svc" },
  { kind: "ip", value: "127.0.0.1" },
];

let directory = "";
let nowMs = Date.now();
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), "vigil-certificates-")), "tls");
  nowMs = Date.now();
});
afterEach(() => rmSync(join(directory, ".."), { recursive: true }));

const open = (names = NAMES): Promise<CertificateStore> => CertificateStore.open({ directory, names, nowMs: () => nowMs });
const leafOf = ({ chainPem }: ServingCertificate): X509Certificate => new X509Certificate(chainPem);

test("it makes an authority and a serving certificate for all names, with keys that only the owner can read", async () => {
  const certificate = (await open()).current();
  const leaf = leafOf(certificate);
  const authority = new X509Certificate(certificate.caBundlePem);
  expect(leaf.verify(authority.publicKey) && leaf.checkIssued(authority)).toBe(true);
  expect(leaf.checkHost("vigil.vigil-system.svc")).toBeDefined();
  expect(leaf.checkIP("127.0.0.1")).toBeDefined();
  expect(certificate.expiresAtMs).toBe(leaf.validToDate.getTime());
  expect(readdirSync(directory).sort()).toEqual(["authority.pem", "ca.crt", "serving.pem"]);
  const modeOf = (file: string): number => statSync(join(directory, file)).mode & 0o777;
  expect([modeOf(""), modeOf("authority.pem"), modeOf("serving.pem"), modeOf("ca.crt")]).toEqual([0o700, 0o600, 0o600, 0o644]);
  expect(readFileSync(join(directory, "ca.crt"), "utf8")).toBe(certificate.caBundlePem);
});

test("it keeps what it has across restarts", async () => {
  const before = (await open()).current();
  expect((await open()).current()).toEqual(before);
});

test("a new name renews the serving certificate under the same authority", async () => {
  const before = (await open()).current();
  const after = (await open([...NAMES, { kind: "ip", value: "10.0.0.7" }])).current();
  expect(leafOf(after).serialNumber).not.toBe(leafOf(before).serialNumber);
  expect(after.caBundlePem).toBe(before.caBundlePem);
});

test("half of its life later it is renewed, and the listeners are told", async () => {
  const store = await open();
  const before = store.current();
  const told: ServingCertificate[] = [];
  const end = store.onChange((certificate) => told.push(certificate));
  nowMs += 14 * DAY_MS;
  expect(await store.renewIfDue()).toBe(false);
  nowMs += 2 * DAY_MS;
  expect(await store.renewIfDue()).toBe(true);
  expect(told).toEqual([store.current()]);
  expect(store.current().expiresAtMs).toBeGreaterThan(before.expiresAtMs);
  expect((await open()).current()).toEqual(store.current());
  end();
  nowMs += 16 * DAY_MS;
  await store.renewIfDue();
  expect(told.length).toBe(1);
});

test("a clock set back before the certificate begins renews it", async () => {
  const store = await open();
  nowMs -= DAY_MS;
  expect(await store.renewIfDue()).toBe(true);
  expect(leafOf(store.current()).validFromDate.getTime()).toBeLessThan(nowMs);
});

test("an authority that expires before its certificates would is replaced", async () => {
  const before = (await open()).current();
  nowMs += 3630 * DAY_MS;
  const after = (await open()).current();
  expect(after.caBundlePem).not.toBe(before.caBundlePem);
  expect(leafOf(after).verify(new X509Certificate(after.caBundlePem).publicKey)).toBe(true);
});

test("a damaged serving file is made anew, a damaged authority is not", async () => {
  const before = (await open()).current();
  truncateSync(join(directory, "serving.pem"), 100);
  expect((await open()).current().caBundlePem).toBe(before.caBundlePem);
  truncateSync(join(directory, "authority.pem"), 100);
  await expect(open()).rejects.toMatchObject({ code: "ADMISSION_CERTIFICATE" });
});

test("a key that is not that of its certificate is refused", async () => {
  await open();
  const foreign = readFileSync(join(directory, "serving.pem"), "utf8").split("-----BEGIN CERTIFICATE")[0] ?? "";
  const own = readFileSync(join(directory, "authority.pem"), "utf8");
  writeFileSync(join(directory, "authority.pem"), foreign + own.slice(own.indexOf("-----BEGIN CERTIFICATE")));
  await expect(open()).rejects.toMatchObject({ code: "ADMISSION_CERTIFICATE" });
});

test("while it runs, a failed renewal is told and the certificate stays", async () => {
  const store = await open();
  const before = store.current();
  nowMs += 16 * DAY_MS;
  rmSync(directory, { recursive: true });
  writeFileSync(directory, "in the way");
  chmodSync(directory, 0o600);
  const failures: unknown[] = [];
  const controller = new AbortController();
  await store.run(controller.signal, (thrown) => {
    failures.push(thrown);
    controller.abort();
  });
  expect(failures.length).toBe(1);
  expect(store.current()).toEqual(before);
});
