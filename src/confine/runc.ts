/** Programs in a container of runc (runtime-spec 1.0), to show that an exported profile works with a real runtime. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf, VigilError } from "../lib/error.ts";
import { encodeJson, type JsonObject } from "../lib/json.ts";
import { type ConfinedProgram, environmentLines, findProgram } from "./confined-launch.ts";

export type RuncErrorCode = "CONFINE_RUNC";

/** What of the host is in the container, read-only. */
const SHARED = ["/bin", "/etc", "/lib", "/lib64", "/opt", "/root", "/sbin", "/usr"];

/** Runs the program to its end in a container with this seccomp section, and returns its exit code. Needs root. Throws `CONFINE_RUNC`. */
export async function runInContainer(program: ConfinedProgram, seccomp: JsonObject, scratchDirectory: string): Promise<number> {
  const bundle = mkdtempSync(join(scratchDirectory, "vigil-bundle-"));
  try {
    const binds = prepareRoot(join(bundle, "rootfs"));
    writeFileSync(join(bundle, "config.json"), encodeJson(configuration(program, seccomp, binds)));
    const runtime = findProgram("runc", `${program.environment["PATH"] ?? ""}:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin`, "/");
    const child = spawn(runtime, ["run", "--bundle", bundle, `vigil-verify-${process.pid}`], {
      stdio: "inherit",
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    });
    const [code] = await once(child, "exit");
    return code ?? 1;
  } catch (error) {
    if (error instanceof VigilError && error.code === "CONFINE_PROGRAM")
      throw new VigilError<RuncErrorCode>("CONFINE_RUNC", "runc is not installed", {
        hint: "it is in the package `runc` of most distributions",
      });
    throw new VigilError<RuncErrorCode>("CONFINE_RUNC", `cannot run a container: ${messageOf(error)}`, { cause: error });
  } finally {
    rmSync(bundle, { recursive: true, force: true });
  }
}

/** Directories to mount on; links of the host (`/bin` to `usr/bin`) are links there, too. */
function prepareRoot(root: string): readonly string[] {
  mkdirSync(root);
  for (const name of ["proc", "tmp", "dev", "run", "var"]) mkdirSync(join(root, name));
  return SHARED.filter((path) => {
    if (!existsSync(path)) return false;
    if (lstatSync(path).isSymbolicLink()) {
      symlinkSync(readlinkSync(path), join(root, path));
      return false;
    }
    mkdirSync(join(root, path));
    return true;
  });
}

const CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID"];

function configuration(
  { command, args, environment, directory }: ConfinedProgram,
  seccomp: JsonObject,
  binds: readonly string[],
): JsonObject {
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: [command, ...args],
      env: environmentLines(environment),
      cwd: binds.some((bind) => directory === bind || directory.startsWith(`${bind}/`)) ? directory : "/",
      capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: false },
    hostname: "verify",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", "mode=1777"] },
      { destination: "/run", type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev"] },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755", "size=65536k"] },
      ...binds.map((path) => ({ destination: path, type: "bind", source: path, options: ["rbind", "ro"] })),
    ],
    linux: {
      namespaces: ["pid", "ipc", "uts", "mount", "network"].map((type) => ({ type })),
      seccomp,
    },
  };
}
