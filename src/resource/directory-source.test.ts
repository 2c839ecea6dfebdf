import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type WatchOptions, watchManifests } from "./directory-source.ts";
import { type ManifestTree, readManifestTree } from "./manifest-tree.ts";

let root: string;
let abort: AbortController;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "vigil-source-"));
  abort = new AbortController();
});
afterEach(() => {
  abort.abort();
  rmSync(root, { recursive: true, force: true });
});

const write = (name: string, text: string): void => writeFileSync(join(root, name), text);
const names = ({ documents }: ManifestTree): readonly unknown[] => documents.map(({ value }) => value["a"]);
const codes = ({ diagnostics }: ManifestTree): readonly string[] => diagnostics.map(({ code }) => code);

/** Reports alone, unless said otherwise: comparing would hide that one is missing. */
function start(paths: readonly string[], options: Partial<WatchOptions> = {}): () => Promise<ManifestTree> {
  const trees = watchManifests(paths, { signal: abort.signal, settleMs: 20, pollMs: 3_600_000, ...options });
  return async () => {
    const { value, done } = await trees.next();
    if (done === true || value === undefined) throw new Error("the source ended");
    return value;
  };
}

/** Goes on to the first tree that holds this: a report may come between two steps of a change. */
async function until(next: () => Promise<ManifestTree>, expected: readonly unknown[]): Promise<ManifestTree> {
  for (;;) {
    const tree = await next();
    if (JSON.stringify(names(tree)) === JSON.stringify(expected)) return tree;
  }
}

describe("reading", () => {
  test("manifests are read in the order of their names, other files and hidden ones are not", async () => {
    mkdirSync(join(root, "b"));
    mkdirSync(join(root, "tests"));
    mkdirSync(join(root, "node_modules"));
    write("c.yml", "a: 3");
    write("a.yaml", "a: 1\n---\na: 2");
    write("b/x.json", '{"a": "b"}');
    write("README.md", "a: 4");
    write(".hidden.yaml", "a: 5");
    write("tests/t.yaml", "a: 6");
    write("node_modules/n.yaml", "a: 7");
    const tree = await readManifestTree([root], { without: ["tests"] });
    expect(names(tree)).toEqual([1, 2, "b", 3]);
    expect(tree.documents[2]?.file).toBe(join(root, "b/x.json"));
    expect(codes(tree)).toEqual([]);
  });

  test("the hash is that of names and contents", async () => {
    write("a.yaml", "a: 1");
    const first = await readManifestTree([root]);
    write("a.yaml", "a: 1");
    expect((await readManifestTree([root])).contentHash).toBe(first.contentHash);
    renameSync(join(root, "a.yaml"), join(root, "b.yaml"));
    expect((await readManifestTree([root])).contentHash).not.toBe(first.contentHash);
  });

  test("what cannot be read or parsed is a diagnostic beside the rest", async () => {
    write("a.yaml", "a: 1");
    write("b.yaml", "a: [");
    write("c.yaml", `a: ${"x".repeat(100)}`);
    symlinkSync(join(root, "nowhere"), join(root, "d.yaml"));
    symlinkSync(root, join(root, "loop"));
    const limits = { fileBytes: 50, documents: 10, depth: 10, aliasNodes: 10 };
    const tree = await readManifestTree([root, join(root, "missing")], { limits });
    expect(names(tree)).toEqual([1]);
    expect([...codes(tree)].sort()).toEqual(["RESOURCE_TOO_LARGE", "RESOURCE_UNREADABLE", "RESOURCE_UNREADABLE", "YAML_SYNTAX"]);
  });

  test("too many files are refused, once", async () => {
    for (const name of ["a", "b", "c", "d"]) write(`${name}.yaml`, `a: ${name}`);
    expect(codes(await readManifestTree([root], { maxFiles: 2 }))).toEqual(["RESOURCE_TOO_MANY_FILES"]);
  });
});

describe("watching", () => {
  test("files that are added, written, replaced by renaming and removed are seen", async () => {
    write("a.yaml", "a: 1");
    const next = start([root]);
    expect(names(await next())).toEqual([1]);
    write("b.yaml", "a: 2");
    await until(next, [1, 2]);
    write("b.yaml", "a: 3");
    await until(next, [1, 3]);
    write("b.yaml.swp", "a: 4");
    renameSync(join(root, "b.yaml.swp"), join(root, "b.yaml"));
    await until(next, [1, 4]);
    rmSync(join(root, "a.yaml"));
    await until(next, [4]);
  });

  test("new directories are followed", async () => {
    write("a.yaml", "a: 1");
    const next = start([root]);
    await next();
    mkdirSync(join(root, "deep/er"), { recursive: true });
    write("deep/er/b.yaml", "a: 2");
    await until(next, [1, 2]);
    write("deep/er/b.yaml", "a: 3");
    await until(next, [1, 3]);
  });

  test("the swap of a ConfigMap volume is one change", async () => {
    const publish = (version: number): void => {
      mkdirSync(join(root, `..${version}`));
      for (const name of ["x", "y"]) write(`..${version}/${name}.yaml`, `a: ${name}${version}`);
      symlinkSync(`..${version}`, join(root, "..data_tmp"));
      renameSync(join(root, "..data_tmp"), join(root, "..data"));
    };
    publish(1);
    for (const name of ["x", "y"]) symlinkSync(`..data/${name}.yaml`, join(root, `${name}.yaml`));
    const next = start([root]);
    expect(names(await next())).toEqual(["x1", "y1"]);
    publish(2);
    expect(names(await next())).toEqual(["x2", "y2"]);
  });

  test("a directory that vanishes is a diagnostic, and is followed again when it is back", async () => {
    const path = join(root, "policies");
    const create = (value: number): void => {
      mkdirSync(path);
      write("policies/a.yaml", `a: ${value}`);
    };
    create(1);
    const next = start([path]);
    expect(names(await next())).toEqual([1]);
    rmSync(path, { recursive: true });
    expect(codes(await until(next, []))).toEqual(["RESOURCE_UNREADABLE"]);
    create(2);
    expect(codes(await until(next, [2]))).toEqual([]);
    write("policies/a.yaml", "a: 3");
    await until(next, [3]);
  });

  test("a single file is followed through replacement", async () => {
    write("a.yaml", "a: 1");
    const next = start([join(root, "a.yaml")]);
    expect(names(await next())).toEqual([1]);
    write("tmp", "a: 2");
    renameSync(join(root, "tmp"), join(root, "a.yaml"));
    await until(next, [2]);
  });

  test("without reports, comparing finds changes", async () => {
    const path = join(root, "late/policies");
    const next = start([path], { pollMs: 20 });
    expect(codes(await next())).toEqual(["RESOURCE_UNREADABLE"]);
    mkdirSync(path, { recursive: true });
    write("late/policies/a.yaml", "a: 1");
    await until(next, [1]);
  });

  test("aborting ends the source, also while it waits", async () => {
    write("a.yaml", "a: 1");
    const trees = watchManifests([root], { signal: abort.signal });
    expect((await trees.next()).done).toBe(false);
    const waiting = trees.next();
    abort.abort();
    expect((await waiting).done).toBe(true);
  });
});
