/** Completion scripts for shells, generated from the catalogue. Where a script offers nothing, the shell offers files. */
import type { Command, Flag } from "./command.ts";

export type Shell = "bash" | "zsh" | "fish";

export function completionScript(shell: Shell, catalogue: readonly Command[]): string {
  switch (shell) {
    case "bash":
      return bashScript(catalogue);
    case "zsh":
      return `autoload -U +X bashcompinit && bashcompinit\n${bashScript(catalogue)}`;
    case "fish":
      return fishScript(catalogue);
    default:
      return shell satisfies never;
  }
}

/** Words that may follow the words of an unfinished command: `policy` → `test`, `lint`; nothing → `check`, `policy`. */
function continuations(catalogue: readonly Command[]): ReadonlyMap<string, readonly string[]> {
  const next = new Map<string, string[]>();
  for (const { path } of [...catalogue, { path: "help" }]) {
    const words = path.split(" ");
    for (const [index, word] of words.entries()) {
      const group = words.slice(0, index).join(" ");
      const known = next.get(group) ?? [];
      if (!known.includes(word)) next.set(group, [...known, word]);
    }
  }
  return next;
}

const flagWords = (name: string, flag: Flag): readonly string[] => [`--${name}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])];
const takesChoice = (flag: Flag): flag is Extract<Flag, { kind: "choice" }> => flag.kind === "choice";

function bashScript(catalogue: readonly Command[]): string {
  const line = (pattern: string, words: readonly string[]): string => `    ${pattern}) offered='${words.join(" ")}' ;;`;
  // The longest path first: `case` takes the first pattern that fits.
  const commands = [...catalogue].sort((a, b) => b.path.length - a.path.length);
  const values = commands.flatMap(({ path, flags }) =>
    Object.entries(flags).flatMap(([name, flag]) => {
      if (flag.kind === "boolean") return [];
      const words = takesChoice(flag) ? flag.choices : [];
      return flagWords(name, flag).map((word) => line(`" ${path} "*"${word} "`, words));
    }),
  );
  const flags = commands.map(({ path, flags }) => line(`" ${path} "*`, [...Object.keys(flags).map((name) => `--${name}`), "--help"]));
  const groups = [...continuations(catalogue)].map(([group, words]) => line(group === "" ? '" "' : `" ${group} "`, words));
  return `# bash completion for vigil; load it with: source <(vigil completion bash)
_vigil() {
  local current=\${COMP_WORDS[COMP_CWORD]} offered=''
  local before=" \${COMP_WORDS[*]:1:COMP_CWORD-1} "
  [ "$before" = '  ' ] && before=' '
  case "$before" in
${[...values, ...groups].join("\n")}
    *) case "$before" in
${flags.map((text) => `  ${text}`).join("\n")}
      esac
      case "$current" in -*) ;; *) offered='' ;; esac ;;
  esac
  COMPREPLY=($(compgen -W "$offered" -- "$current"))
}
complete -o default -F _vigil vigil ./vigil
`;
}

function fishScript(catalogue: readonly Command[]): string {
  const quote = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const summaryOf = new Map(catalogue.map(({ path, summary }) => [path, summary]));
  const groups = [...continuations(catalogue)].flatMap(([group, words]) =>
    words.map((word) => {
      const summary = summaryOf.get(`${group} ${word}`.trim());
      const description = summary === undefined ? "" : ` -d ${quote(summary)}`;
      return `complete -c vigil -n ${quote(`__vigil_at ${group}`.trim())} -f -a ${word}${description}`;
    }),
  );
  const flags = catalogue.flatMap(({ path, flags }) =>
    Object.entries(flags).map(([name, flag]) => {
      const short = flag.short === undefined ? "" : ` -s ${flag.short}`;
      const value = flag.kind === "boolean" ? "" : takesChoice(flag) ? ` -x -a ${quote(flag.choices.join(" "))}` : " -r";
      return `complete -c vigil -n ${quote(`__vigil_in ${path}`)} -l ${name}${short}${value} -d ${quote(flag.summary)}`;
    }),
  );
  return `# fish completion for vigil; load it with: vigil completion fish | source
function __vigil_at # the words so far are exactly these
    set -l words (commandline -opc)
    test "$words[2..]" = "$argv"
end
function __vigil_in # the words so far begin with these
    set -l words (commandline -opc)
    string match -q -- "$argv *" "$words[2..] "
end
${[...groups, ...flags].join("\n")}
`;
}
