/** The documentation, executed: links resolve, command lines exist, and blocks marked `run` do what they say. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CATALOGUE } from "../src/cmd/catalogue.ts";
import { parseCommandLine } from "../src/cmd/command-line.ts";
import { environmentName, SETTINGS } from "../src/cmd/settings.ts";
import { filesUnder, ROOT, readText } from "./source-tree.ts";

const DOCUMENTS = [
  ...readdirSync(ROOT).filter((file) => file.endsWith(".md")),
  ...["docs", "src", "bench"].flatMap((folder) => filesUnder(folder, ".md")),
];

interface Block {
  /** `sh run exit=1` */
  readonly info: string;
  readonly lines: readonly string[];
}

const blocksOf = (document: string): readonly Block[] =>
  [...readText(document).matchAll(/^```(?<info>[^\n`]*)\n(?<text>[\s\S]*?)^```$/gm)].map(({ groups }) => ({
    info: groups?.["info"] ?? "",
    lines: (groups?.["text"] ?? "").replaceAll("\\\n", " ").trim().split("\n"),
  }));

const withoutBlocks = (document: string): string => readText(document).replaceAll(/^```[\s\S]*?^```$/gm, "");

/** Text in backticks is no link, whatever brackets it has. */
const withoutCode = (document: string): string => withoutBlocks(document).replaceAll(/`[^`\n]*`/g, "``");

/** GitHub's anchors of headings. */
const anchorsOf = (document: string): readonly string[] =>
  [...withoutBlocks(document).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );

describe.each(DOCUMENTS)("%s", (document) => {
  test("links only to what exists", () => {
    const links = [...withoutCode(document).matchAll(/\]\((?!https?:)(?<path>[^)#\s]*)(?:#(?<anchor>[^)\s]+))?\)/g)];
    const broken = links.filter(({ groups }) => {
      const path = groups?.["path"] === "" ? document : join(dirname(document), groups?.["path"] ?? "");
      if (!existsSync(join(ROOT, path))) return true;
      return groups?.["anchor"] !== undefined && !anchorsOf(path).includes(groups["anchor"]);
    });
    expect(broken.map(([link]) => link)).toEqual([]);
  });

  test("shows only command lines that exist", () => {
    const shown = blocksOf(document)
      .filter(({ info }) => info.startsWith("sh"))
      .flatMap(({ lines }) => lines);
    const named = [...withoutBlocks(document).matchAll(/`((?:\.\/)?vigil [^`]+)`/g)].map(([, line = ""]) => line);
    const wrong = [...shown, ...named].flatMap(commandsIn).filter((words) => {
      const parsed = parseCommandLine(words, CATALOGUE);
      // A command that is only named may lack its operands.
      return !parsed.ok && !(parsed.error.code === "USAGE_OPERANDS" || isPlaceholder(words));
    });
    expect(wrong.map((words) => words.join(" "))).toEqual([]);
  });
});

const isPlaceholder = (words: readonly string[]): boolean =>
  words.some((word) => word === "…" || word === "COMMAND") || words[0] === "--version";

/** The words after each `vigil` of a shell's line. Quotes are honoured as far as the documentation uses them. */
function commandsIn(line: string): readonly (readonly string[])[] {
  const words = [...line.replace(/(?:^|\s)#.*$/, "").matchAll(/'[^']*'|"[^"]*"|[|;&>]+|[^\s'"|;&>]+(?:'[^']*'|"[^"]*")?/g)].map(
    ([word]) => word,
  );
  const commands: string[][] = [];
  let current: string[] | undefined;
  for (const word of words) {
    if (/^[|;&>]+$/.test(word)) current = undefined;
    else if (/^(?:<\()?(?:\.\/)?vigil$/.test(word)) {
      current = [];
      commands.push(current);
    } else current?.push(word.replace(/\)$/, "").replaceAll(/^'|'$/g, ""));
  }
  return commands;
}

describe("what the documentation runs", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "vigil-docs-"));
    symlinkSync(join(ROOT, "vigil"), join(folder, "vigil"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const runnable = DOCUMENTS.flatMap((document) =>
    blocksOf(document)
      .filter(({ info }) => /^sh run\b/.test(info))
      .flatMap(({ info, lines }) => lines.map((line) => ({ document, line, expected: Number(/exit=(\d+)/.exec(info)?.[1] ?? 0) }))),
  );

  test.each(runnable)("$document: $line", ({ line, expected }) => {
    const PATH = `${folder}:${dirname(process.execPath)}:${process.env["PATH"]}`;
    const { status, stderr } = spawnSync("sh", ["-c", line], { cwd: ROOT, env: { PATH, HOME: folder }, encoding: "utf8" });
    // Of a checkout in /tmp a confined program says that it does not start there.
    const said = stderr.replace(/^note: it starts in \/ .*\n/m, "");
    expect({ status, stderr: expected === 2 ? "" : said }).toEqual({ status: expected, stderr: "" });
  });
});

test("docs/configuration.md has every setting and its variable", () => {
  const rows = [...readText("docs/configuration.md").matchAll(/^\| `([\w.]+)` \| `(VIGIL_\w+)` \|/gm)].map(([, key, name]) => [key, name]);
  expect(rows).toEqual(Object.keys(SETTINGS).map((key) => [key, environmentName(key)]));
});
