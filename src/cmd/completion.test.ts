import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { CATALOGUE } from "./catalogue.ts";
import { completionScript } from "./completion.ts";

/** What bash offers after these words, by running its script. */
function offered(...words: readonly string[]): readonly string[] {
  const script = `${completionScript("bash", CATALOGUE)}
COMP_WORDS=(vigil "$@"); COMP_CWORD=$#; _vigil; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync("bash", ["-c", script, "bash", ...words], { encoding: "utf8" })
    .split("\n")
    .filter(Boolean);
}

describe("the bash completion", () => {
  test("offers every command, or the first word of it", () => {
    expect([...offered("")].sort()).toEqual([...new Set(["help", ...CATALOGUE.map(({ path }) => path.split(" ")[0] ?? "")])].sort());
  });
  test("completes a word that has begun", () => expect(offered("compl")).toEqual(["completion"]));
  test("offers the flags of a command", () => expect(offered("version", "--")).toEqual(["--format", "--help"]));
  test("offers the choices of a flag", () => expect(offered("version", "--format", "")).toEqual(["text", "json"]));
  test("leaves operands to the shell, which offers files", () => expect(offered("version", "x")).toEqual([]));
});

test.each(["zsh", "fish"] as const)("the %s completion names every command", (shell) => {
  const script = completionScript(shell, CATALOGUE);
  for (const { path } of CATALOGUE) expect(script).toContain(path.split(" ").at(-1));
});
