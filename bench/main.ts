/** `npm run bench [-- SECTION…]`: measures Vigil beside its peers and writes RESULTS.md when every section ran. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderReport, renderSection, type Section } from "./report.ts";
import { checking } from "./section/checking.ts";
import { detection } from "./section/detection.ts";
import { expressions } from "./section/expressions.ts";
import { handshakes } from "./section/handshakes.ts";
import { manyPolicies } from "./section/many-policies.ts";
import { profile } from "./section/profile.ts";
import { review } from "./section/review.ts";
import { ring } from "./section/ring.ts";
import { webhook } from "./section/webhook.ts";

const SECTIONS: Readonly<Record<string, () => Promise<Section>>> = {
  expressions,
  "many-policies": manyPolicies,
  review,
  webhook,
  checking,
  handshakes,
  ring,
  detection,
  profile,
};

const wanted = process.argv.slice(2);
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
if (wanted.length === 0) writeFileSync(join(import.meta.dirname, "RESULTS.md"), renderReport(done, new Date()));
process.exitCode = done.some((section) => section.targets.some((target) => !target.met)) ? 1 : 0;
