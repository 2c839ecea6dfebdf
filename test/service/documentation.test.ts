/** docs/node.md: its examples run and print what it says. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { IdentityDirectory } from "../../src/cmd/identity/identity-directory.ts";
import { ROOT, readText } from "../source-tree.ts";
import { TestAgent } from "./test-agent.ts";
import { bundleOf, issueSvid, newAuthority } from "./trust-domain.ts";

const TEXT = readText("docs/node.md");
const EXAMPLES = [...TEXT.matchAll(/```ts\n(?<code>[\s\S]*?)```\n\nprints\n\n```text\n(?<output>[\s\S]*?)```/g)].map(
  ({ groups }, index) => ({
    code: groups?.["code"] ?? "",
    output: groups?.["output"] ?? "",
    number: index + 1,
  }),
);

/** What a generator would make of a service with one method. */
const ORDERS = `
import * as grpc from "@grpc/grpc-js";
const text = { requestSerialize: Buffer.from, requestDeserialize: String, responseSerialize: Buffer.from, responseDeserialize: String };
export const OrdersService = { whoAmI: { path: "/shop.Orders/WhoAmI", requestStream: false, responseStream: false, ...text } };
export const OrdersClient = grpc.makeGenericClientConstructor(OrdersService, "Orders");
`;

const root = newAuthority("shop.test");
const WEB = "spiffe://shop.test/ns/shop/sa/web";
let folder = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "vigil-node-"));
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  writeFileSync(join(folder, "orders.ts"), ORDERS);
  for (const name of ["orders", "web"]) {
    const svid = issueSvid(`spiffe://shop.test/ns/shop/sa/${name}`, root);
    await new IdentityDirectory(join(folder, "svid", name)).write({ svid, bundles: [bundleOf("shop.test", [root])], tokens: new Map() });
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(EXAMPLES)(
  "example $number prints what it says, and ends",
  async ({ code, output, number }) => {
    const address = await new TestAgent({ svids: [issueSvid(WEB, root)], bundles: [bundleOf("shop.test", [root])] }).listen();
    const file = join(folder, `example-${number}.ts`);
    // Each on ports of its own: others may listen on those of the text.
    const free = code.replaceAll(/\b844(\d)\b/g, (_, digit: string) => String(30_000 + ((process.pid * 10 + Number(digit)) % 20_000)));
    writeFileSync(file, free.replaceAll("@vigil-dev/vigil/node", pathToFileURL(join(ROOT, "src/service/index.ts")).href));
    const options = { cwd: folder, timeout: 60_000, env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: address } };
    expect(await promisify(execFile)(process.execPath, [file], options)).toEqual({ stdout: output, stderr: "" });
  },
  90_000,
);

test("there are examples, and all of them say what they print", () => {
  expect(EXAMPLES).toHaveLength(TEXT.split("```ts\n").length - 1);
  expect(EXAMPLES.length).toBeGreaterThan(0);
});
