#!/usr/bin/env node
/** The entry of the command line. Loads as little as it can before it knows what is asked. */
import module from "node:module";
import { COMPILE_CACHE, readVersion } from "./version.ts";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const [word] = process.argv.slice(2);

if (major < 24 || (major === 24 && minor < 15)) {
  process.stderr.write(
    `error: Vigil needs Node.js 24.15 or newer, this is ${process.versions.node}\n  from a checkout, ./vigil installs one\n`,
  );
  process.exitCode = 2;
} else if (word === "--version" || word === "-V") {
  process.stdout.write(`${readVersion()}\n`);
} else {
  module.enableCompileCache(COMPILE_CACHE);
  const { runCommandLine } = await import("./run-command-line.ts");
  process.exitCode = await runCommandLine(process.argv.slice(2));
}
