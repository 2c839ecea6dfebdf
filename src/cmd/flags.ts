/** Flags that several commands have: the same name, letter and meaning everywhere. */

/** The flag of every command that has output for programs. Its JSON is a contract; its text may improve. */
export const FORMAT_FLAG = {
  kind: "choice",
  short: "o",
  choices: ["text", "json"],
  default: "text",
  summary: "output for people or for programs",
} as const;

/** Of every command that takes policies. */
export const POLICY_FLAG = {
  kind: "list",
  short: "p",
  value: "PATH",
  completes: "file",
  summary: "policies to judge by: files, directories, `builtin` or `builtin/PACK`; the built-in packs when not given",
} as const;

/** Of every command that reads the configuration. */
export const CONFIG_FLAG = {
  kind: "text",
  value: "FILE",
  completes: "file",
  summary: "configuration file (VIGIL_CONFIG; else /etc/vigil/vigil.yaml for root, ~/.config/vigil/vigil.yaml for others)",
} as const;

/** Of every command that works with the state of an installation. */
export const STATE_FLAG = {
  kind: "text",
  value: "DIR",
  completes: "directory",
  summary: "state directory (state.directory)",
} as const;
