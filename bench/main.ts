/**
 * `npm run bench [-- [--write] SECTION…]`: measures Vigil beside its peers. A run of every section writes RESULTS.md; with `--write`
 * a run of some sections renews these.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderReport, renderSection, type Section } from "./report.ts";
import { access } from "./section/access.ts";
import { checking } from "./section/checking.ts";
import { conflicts } from "./section/conflicts.ts";
import { detection } from "./section/detection.ts";
import { expressions } from "./section/expressions.ts";
import { handshakes } from "./section/handshakes.ts";
import { identity } from "./section/identity.ts";
import { manyIdentities } from "./section/many-identities.ts";
import { manyPolicies } from "./section/many-policies.ts";
import { network } from "./section/network.ts";
import { networkPath } from "./section/network-path.ts";
import { profile } from "./section/profile.ts";
import { review } from "./section/review.ts";
import { ring } from "./section/ring.ts";
import { sensor } from "./section/sensor.ts";
import { servingIdentities } from "./section/serving-identities.ts";
import { webhook } from "./section/webhook.ts";

const SECTIONS: Readonly<Record<string, () => Promise<Section>>> = {
  expressions,
  "many-policies": manyPolicies,
  review,
  webhook,
  checking,
  handshakes,
  identity,
  "serving-identities": servingIdentities,
  "many-identities": manyIdentities,
  ring,
  detection,
  sensor,
  profile,
  network,
  "network-path": networkPath,
  access,
  conflicts,
};

const isWriting = process.argv.includes("--write");
const wanted = process.argv.slice(2).filter((argument) => argument !== "--write");
const unknown = wanted.filter((name) => !(name in SECTIONS));
if (unknown.length > 0) {
  console.error(`no such section: ${unknown.join(", ")}; there are ${Object.keys(SECTIONS).join(", ")}`);
  process.exit(2);
}
const done: Section[] = [];
for (const [name, run] of Object.entries(SECTIONS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  process.stderr.write(`measuring ${name} …\n`);
  const section = await run();
  console.log(`${renderSection(section)}\n`);
  done.push(section);
}
const page = join(import.meta.dirname, "RESULTS.md");
if (wanted.length === 0) writeFileSync(page, renderReport(done, new Date(), ""));
else if (isWriting) writeFileSync(page, renderReport(done, new Date(), readFileSync(page, "utf8")));
process.exitCode = done.some((section) => section.targets.some((target) => !target.met)) ? 1 : 0;
