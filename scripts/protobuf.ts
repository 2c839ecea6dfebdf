/** Writes the `generated/` folders from the descriptions under `proto/`, with the compiler and the generator of the pinned packages. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";

const ROOT = join(import.meta.dirname, "..");

/** Which descriptions, with those that they import, become code in which folder. */
const OUTPUTS: readonly { readonly from: readonly string[]; readonly to: string }[] = [
  { from: ["proto/grpc", "proto/google"], to: "src/grpc/generated" },
  { from: ["proto/spiffe"], to: "src/spiffe/generated" },
  { from: ["proto/vigil/agent"], to: "src/service/generated" },
  { from: ["proto/envoy", "proto/spire", "proto/vigil/authority"], to: "src/identity/generated" },
  { from: ["proto/test"], to: "test/grpc/generated" },
];

/** Node runs the files as they are: TypeScript that is plain once its types are gone. */
const OPTIONS = ["target=ts", "import_extension=ts", "erasable_syntax=true"];

function generate({ from, to }: (typeof OUTPUTS)[number], folder: string): void {
  const plugin = [process.execPath, "node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es"];
  const template = { version: "v2", plugins: [{ local: plugin, out: join(folder, to), opt: OPTIONS, include_imports: true }] };
  const words = ["generate", "proto", "--template", JSON.stringify(template), ...from.flatMap((path) => ["--path", path])];
  const { status, stderr } = spawnSync("node_modules/.bin/buf", words, { cwd: ROOT, encoding: "utf8", env: environmentOf(folder) });
  if (status !== 0) throw new Error(`buf generate for ${to} ended with ${status}: ${stderr}`);
}

/** The compiler keeps a cache: in the folder, so that nothing of this machine decides what is made. */
const environmentOf = (folder: string): NodeJS.ProcessEnv => ({ ...process.env, BUF_CACHE_DIR: join(folder, ".cache") });

/** Runs `use` with a folder that holds what should be in the checkout. */
export function withGenerated<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "vigil-protobuf-"));
  try {
    for (const output of OUTPUTS) generate(output, folder);
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The generated files below a root, by their paths relative to it. */
export function generatedUnder(root: string): ReadonlyMap<string, string> {
  return new Map(
    OUTPUTS.flatMap(({ to }) =>
      readdirSync(join(root, to), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".ts"))
        .map((file) => `${to}/${file.split(sep).join("/")}`)
        .sort()
        .map((path) => [path, readFileSync(join(root, path), "utf8")] as const),
    ),
  );
}

if (import.meta.main) {
  withGenerated((folder) => {
    for (const { to } of OUTPUTS) {
      rmSync(join(ROOT, to), { recursive: true, force: true });
      cpSync(join(folder, to), join(ROOT, to), { recursive: true });
    }
  });
}
