import { type Command, defineCommand, EXIT } from "../command.ts";
import { completionScript, type Shell } from "../completion.ts";

const SHELLS: readonly Shell[] = ["bash", "zsh", "fish"];

export const completionCommand: Command = defineCommand({
  path: "completion",
  summary: "print the completion script for a shell",
  operands: [{ name: "SHELL", summary: "bash, zsh or fish", arity: "one" }],
  flags: {},
  examples: [
    { line: "source <(vigil completion bash)", says: "in ~/.bashrc" },
    { line: "vigil completion fish > ~/.config/fish/completions/vigil.fish", says: "once, for fish" },
  ],
  run({ operands, catalogue, terminal }) {
    const shell = SHELLS.find((name) => name === operands[0]);
    if (shell === undefined) {
      terminal.note(`error: expected one of bash, zsh, fish, got \`${operands[0]}\``);
      return EXIT.unable;
    }
    terminal.print(completionScript(shell, catalogue).trimEnd());
    return EXIT.yes;
  },
});
