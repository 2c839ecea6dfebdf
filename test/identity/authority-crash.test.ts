/** Acceptance 4, the authority's half: whenever it is killed, the next one knows every key under which an SVID was issued. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { parseTrustBundle, type TrustBundle } from "../../src/spiffe/bundle.ts";
import { verifyJwtSvid } from "../../src/spiffe/jwt-svid.ts";
import { SPIFFE_RULES } from "../../src/spiffe/rule.ts";
import { verifyX509Svid } from "../../src/spiffe/x509-svid.ts";
import { trustDomainOf } from "./authority-in-process.ts";

const CHILD = join(import.meta.dirname, "rotating-authority.ts");
/** Each kill hits all of them, each at another moment of its work: 200 in all. */
const [KILLS, AUTHORITIES] = [40, 5];
/** Enough for a few changes of keys. */
const LONGEST_LIFE_MS = 60;

const directory = mkdtempSync(join(tmpdir(), "vigil-crash-"));
const directories = Array.from({ length: AUTHORITIES }, (_, index) => join(directory, `authority-${index}`));
afterAll(() => rmSync(directory, { recursive: true }));

interface Line {
  readonly directory: string;
  /** The first line of each. */
  readonly bundle?: string;
  readonly leaf?: string;
  readonly token?: string;
}

/** Runs authorities until they are killed at a random moment after the last of them has started; what they wrote. */
async function liveAndDie(): Promise<readonly Line[]> {
  const child = spawn(process.execPath, [CHILD, ...directories], { stdio: ["ignore", "pipe", "pipe"] });
  let [output, failure] = ["", ""];
  const started = Promise.withResolvers<void>();
  child.stdout.on("data", (chunk) => {
    output += chunk;
    if (output.split('"bundle"').length > AUTHORITIES) started.resolve();
  });
  child.stderr.on("data", (chunk) => {
    failure += chunk;
  });
  const closed = once(child, "close");
  await Promise.race([started.promise, closed]);
  await setTimeout(Math.random() * LONGEST_LIFE_MS);
  child.kill("SIGKILL");
  await closed;
  if (failure !== "") throw new Error(failure);
  // A line without its end was cut: nobody got that SVID.
  return output
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

function bundleOf(line: Line): TrustBundle {
  const bundle = parseTrustBundle(Buffer.from(line.bundle ?? ""), trustDomainOf("example.org"));
  if (!bundle.ok) throw bundle.error;
  return bundle.value;
}

/** Why an SVID is not accepted, other than that time has passed since it was issued. */
function problemsOf({ leaf = "", token = "" }: Line, bundle: TrustBundle): readonly string[] {
  const nowMs = Date.now();
  const bundles = { bundleOf: () => bundle };
  const results = [
    verifyX509Svid([Buffer.from(leaf, "base64")], bundles, { nowMs }),
    verifyJwtSvid(token, bundles, { audiences: ["db"], nowMs }),
  ];
  return results.flatMap((result) => (result.ok ? [] : [result.error.code])).filter((code) => !EXPIRED.includes(code));
}

const EXPIRED: readonly string[] = [SPIFFE_RULES["x509-validity"].code, SPIFFE_RULES["jwt-expiry"].code];

test("no kill makes an authority forget what it signed with", { timeout: 600_000 }, async () => {
  let earlier: readonly Line[] = [];
  let checked = 0;
  for (let kill = 0; kill <= KILLS; kill++) {
    const lines = await liveAndDie();
    const bundles = new Map(lines.filter(({ bundle }) => bundle !== undefined).map((line) => [line.directory, bundleOf(line)]));
    for (const line of earlier.filter(({ leaf }) => leaf !== undefined)) {
      const bundle = bundles.get(line.directory);
      expect(bundle).toBeDefined();
      expect(bundle && problemsOf(line, bundle)).toEqual([]);
      checked++;
    }
    earlier = lines;
  }
  expect(checked).toBeGreaterThan(KILLS * AUTHORITIES);
});
