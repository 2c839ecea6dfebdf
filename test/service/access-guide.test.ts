/** docs/access.md: its example runs and prints what it says. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { ROOT, readText } from "../source-tree.ts";

const EXAMPLES = [...readText("docs/access.md").matchAll(/```ts\n(?<code>[\s\S]*?)```\n\nprints\n\n```text\n(?<output>[\s\S]*?)```/g)];

test("there are examples", () => {
  expect(EXAMPLES).toHaveLength(readText("docs/access.md").split("```ts\n").length - 1);
  expect(EXAMPLES.length).toBeGreaterThan(0);
});

test.each(EXAMPLES.map(({ groups }, index) => ({ number: index + 1, code: groups?.["code"] ?? "", output: groups?.["output"] ?? "" })))(
  "example $number prints what it says",
  async ({ code, output }) => {
    const folder = mkdtempSync(join(tmpdir(), "vigil-access-guide-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "example.ts");
    // Others may listen on the port of the text.
    const free = code.replaceAll("8447", String(20_000 + (process.pid % 10_000)));
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    writeFileSync(file, free.replaceAll("@vigil-dev/vigil/node/access", pathToFileURL(join(ROOT, "src/service/access/index.ts")).href));
    expect(await promisify(execFile)(process.execPath, [file], { cwd: folder, timeout: 60_000 })).toEqual({ stdout: output, stderr: "" });
  },
  90_000,
);
