import { expect, test } from "vitest";
import { bundleOf, issueSvid, newAuthority } from "../../../test/service/trust-domain.ts";
import type { X509Svid } from "../../spiffe/x509-svid.ts";
import type { IdentityContent } from "./identity-directory.ts";
import { type KeepOptions, keepFiles } from "./keep-files.ts";

const root = newAuthority("a.test");
const bundles = [bundleOf("a.test", [root])];

/** A feed and a directory in memory, and everything that happened. */
function scene(svid: X509Svid | undefined): {
  readonly options: KeepOptions;
  readonly written: IdentityContent[];
  readonly logged: string[];
  set(next: X509Svid | undefined): void;
  fail: { write: boolean; notify: boolean };
  notified: number;
} {
  let current = svid;
  let listener = (): void => {};
  const written: IdentityContent[] = [];
  const logged: string[] = [];
  const it = {
    written,
    logged,
    notified: 0,
    fail: { write: false, notify: false },
    set: (next: X509Svid | undefined) => {
      current = next;
      listener();
    },
    options: {
      feed: {
        x509Svid: () => current,
        bundles: () => bundles,
        token: async (audience: string) => ({ token: audience, expiresAtMs: Date.now() + 60_000 }),
        onChange: (given: () => void) => {
          listener = given;
          return () => {
            listener = (): void => {};
          };
        },
      },
      directory: {
        write: async (content: IdentityContent) => {
          if (it.fail.write) throw new Error("the disk is full");
          written.push(content);
        },
      },
      audiences: new Map([["vault.jwt", "vault"]]),
      notify: async () => {
        if (it.fail.notify) throw new Error("no such process");
        it.notified++;
      },
      log: (level: string, message: string) => logged.push(`${level} ${message}`),
      once: false,
    },
  };
  return it;
}

const svidOf = (): X509Svid => issueSvid("spiffe://a.test/web", root);

test("nothing is written before the first identity, everything with it", async () => {
  const it = scene(undefined);
  const kept = keepFiles({ ...it.options, once: true }, AbortSignal.timeout(20_000));
  await new Promise(setImmediate);
  expect(it.written).toEqual([]);
  const svid = svidOf();
  it.set(svid);
  expect(await kept).toBe(true);
  expect(it.written).toEqual([{ svid, bundles, tokens: new Map([["vault.jwt", "vault"]]) }]);
  expect(it.notified).toBe(1);
});

test("what did not change is not written again", async () => {
  const svid = svidOf();
  const it = scene(svid);
  const end = new AbortController();
  const kept = keepFiles(it.options, end.signal);
  await expect.poll(() => it.notified).toBe(1);
  it.set(svid);
  it.set(svidOf());
  await expect.poll(() => it.notified).toBe(2);
  end.abort();
  await kept;
  expect(it.written).toHaveLength(2);
});

test("a full disk is logged, and tried again until it is not", async () => {
  const it = scene(svidOf());
  it.fail.write = true;
  const kept = keepFiles({ ...it.options, once: true }, AbortSignal.timeout(20_000));
  await expect.poll(() => it.logged).toEqual(["error the disk is full"]);
  it.fail.write = false;
  expect(await kept).toBe(true);
  expect(it.written).toHaveLength(1);
});

test("a program that could not be told is told again, without writing again", async () => {
  const it = scene(svidOf());
  it.fail.notify = true;
  const kept = keepFiles({ ...it.options, once: true }, AbortSignal.timeout(20_000));
  await expect.poll(() => it.logged).toContain("error no such process");
  it.fail.notify = false;
  expect(await kept).toBe(true);
  expect([it.written.length, it.notified]).toEqual([1, 1]);
});

test("an identity that was withdrawn is written as none, without tokens", async () => {
  const it = scene(svidOf());
  const end = new AbortController();
  const kept = keepFiles(it.options, end.signal);
  await expect.poll(() => it.notified).toBe(1);
  it.set(undefined);
  await expect.poll(() => it.notified).toBe(2);
  end.abort();
  expect(await kept).toBe(false);
  expect(it.written.at(-1)).toMatchObject({ svid: undefined, tokens: new Map() });
});
