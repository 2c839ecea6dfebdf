import { type Command, defineCommand, EXIT } from "../command.ts";
import { FORMAT_FLAG } from "../flags.ts";
import { readVersion } from "../version.ts";

export const versionCommand: Command = defineCommand({
  path: "version",
  summary: "print the version of Vigil and of its Node.js",
  operands: [],
  flags: { format: FORMAT_FLAG },
  examples: [{ line: "vigil version --format json", says: "for a bug report" }],
  run({ flags, terminal }) {
    const versions = { version: readVersion(), node: process.versions.node, platform: `${process.platform}-${process.arch}` };
    if (flags.format === "json") terminal.printJson(versions);
    else terminal.print(`vigil ${versions.version} (Node.js ${versions.node}, ${versions.platform})`);
    return EXIT.yes;
  },
});
