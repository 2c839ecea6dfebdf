/** Arguments of programs without the secrets in them: events are kept for long, and shown to many. */

const NAME = "(?:pass(?:word|wd|phrase)?|token|secret|api[-_]?key|access[-_]?key|secret[-_]?key|private[-_]?key|credential|auth)";
const ASSIGNED = new RegExp(`^(-{0,2}[\\w.-]*${NAME}[\\w.-]*[=:])(.+)$`, "is");
const FLAG = new RegExp(`^--?[\\w-]*${NAME}$`, "i");
const IN_URL = /([a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:)[^\s/@]+@/gi;
const BEARER = /(\b(?:bearer|basic)\s+)[\w+/=.~-]{8,}/gi;
/** Keys that say themselves what they are: AWS, GitHub, GitLab, Slack, and tokens of three parts. */
const KNOWN = /\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_\w{20,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)/g;
const WITHHELD = "***";

/** The same number of arguments, with secrets replaced by `***`. What looks like none is left as it is. */
export function withheldArguments(args: readonly string[]): readonly string[] {
  return args.map((argument, index) => {
    if (FLAG.test(args[index - 1] ?? "") && !argument.startsWith("-")) return WITHHELD;
    const cleared = argument.replaceAll(IN_URL, `$1${WITHHELD}@`).replaceAll(BEARER, `$1${WITHHELD}`).replaceAll(KNOWN, WITHHELD);
    const assigned = cleared === argument ? ASSIGNED.exec(argument) : null;
    return assigned === null ? cleared : `${assigned[1]}${WITHHELD}`;
  });
}
