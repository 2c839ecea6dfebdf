/** docs/spiffe.md: its examples run and print what it says, and its table has every rule. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { encodePem } from "../../src/lib/pem.ts";
import { SPIFFE_RULES } from "../../src/spiffe/rule.ts";
import { ROOT, readText } from "../source-tree.ts";
import { buildLeaf, leafKeys, pkcs8Of } from "./certificate-builder.ts";
import { a } from "./trust-fixture.ts";

const TEXT = readText("docs/spiffe.md");
const EXAMPLES = [...TEXT.matchAll(/```ts\n(?<code>[\s\S]*?)```\n\nprints\n\n```text\n(?<output>[\s\S]*?)```/g)].map(({ groups }) => ({
  code: groups?.code ?? "",
  output: groups?.output ?? "",
}));

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "vigil-spiffe-"));
  writeFileSync(join(folder, "bundle.pem"), encodePem({ label: "CERTIFICATE", der: a.authority.der }));
  writeFileSync(join(folder, "svid.pem"), encodePem({ label: "CERTIFICATE", der: buildLeaf(a.authority) }));
  writeFileSync(join(folder, "key.pem"), encodePem({ label: "PRIVATE KEY", der: pkcs8Of(leafKeys) }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(EXAMPLES.map((example, index) => ({ ...example, number: index + 1 })))(
  "example $number prints what it says",
  ({ code, output, number }) => {
    const file = join(folder, `example-${number}.ts`);
    const source = (path: string): string => `"${pathToFileURL(join(ROOT, "src/spiffe", path)).href}"`;
    const runnable = code
      .replaceAll('"@vigil-dev/vigil/spiffe"', source("index.ts"))
      .replaceAll('"@vigil-dev/vigil/spiffe/workload-api"', source("workload-api/index.ts"));
    writeFileSync(file, runnable);
    expect(execFileSync(process.execPath, [file], { cwd: folder, encoding: "utf8" })).toBe(output);
  },
);

test("there are examples, and all of them say what they print", () => {
  expect(EXAMPLES).toHaveLength(TEXT.split("```ts\n").length - 1);
  expect(EXAMPLES.length).toBeGreaterThan(0);
});

test("the table has every rule, as the code describes it", () => {
  const rows = [...TEXT.matchAll(/^\| `([a-z0-9-]+)` \| (.+?) \| (.+) \|$/gm)].map(([, rule, section, says]) => [rule, section, says]);
  expect(rows).toEqual(Object.entries(SPIFFE_RULES).map(([rule, { section, says }]) => [rule, section, says]));
});
