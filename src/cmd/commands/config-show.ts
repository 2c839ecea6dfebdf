import { type Command, defineCommand } from "../command.ts";
import { CONFIG_FLAG, FORMAT_FLAG } from "../flags.ts";

export const configShowCommand: Command = defineCommand({
  path: "config show",
  summary: "show every setting, its value and where it comes from",
  description: "A flag wins over the environment, the environment over the file, the file over the default.",
  operands: [],
  flags: { config: CONFIG_FLAG, format: FORMAT_FLAG },
  examples: [{ line: "VIGIL_ADMISSION_LISTEN=0.0.0.0:8443 vigil config show", says: "what `vigil up` would use" }],
  async run({ flags, terminal, environment }) {
    const { showConfiguration } = await import("../show-configuration.ts");
    return showConfiguration({ terminal, environment }, flags.config, flags.format);
  },
});
