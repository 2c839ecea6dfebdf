/** `vigil kernel show`. */
import { setTimeout as sleep } from "node:timers/promises";
import { findHolders, type Holder, objectKey } from "../../ebpf/kernel/holders.ts";
import { type LinkInfo, listLinks, listMaps, listPrograms, type MapInfo, type ProgramInfo } from "../../ebpf/kernel/object-info.ts";
import { findPinDirectories, type Pin } from "../../ebpf/kernel/pin-directory.ts";
import { enableStatistics } from "../../ebpf/kernel/statistics.ts";
import { VigilError } from "../../lib/error.ts";
import { EXIT, type ExitCode } from "../command.ts";
import { noteError } from "../notes.ts";
import { alignColumns } from "../table.ts";
import type { Terminal } from "../terminal.ts";

const MIN_MEASURE_MS = 100;
const MAX_MEASURE_MS = 600_000;

export interface ShowOptions {
  readonly measureMs: number | undefined;
  readonly format: "text" | "json";
}

interface Inventory {
  readonly programs: readonly ProgramInfo[];
  readonly maps: readonly MapInfo[];
  readonly links: readonly LinkInfo[];
  readonly pins: readonly Pin[];
  readonly holders: ReadonlyMap<string, readonly Holder[]>;
}

export async function showKernel({ measureMs, format }: ShowOptions, terminal: Terminal): Promise<ExitCode> {
  if (measureMs !== undefined && (measureMs < MIN_MEASURE_MS || measureMs > MAX_MEASURE_MS)) {
    noteError(terminal, "expected a time of 100ms to 10m for `--measure`");
    return EXIT.unable;
  }
  try {
    const inventory = await takeInventory(measureMs);
    if (format === "json") terminal.printJson(jsonOf(inventory));
    else printInventory(inventory, terminal);
    return EXIT.yes;
  } catch (thrown) {
    if (!(thrown instanceof VigilError)) throw thrown;
    noteError(terminal, thrown.message, thrown.hint);
    return EXIT.unable;
  }
}

async function takeInventory(measureMs: number | undefined): Promise<Inventory> {
  const programs = measureMs === undefined ? listPrograms() : await measurePrograms(measureMs);
  return {
    programs,
    maps: listMaps(),
    links: listLinks(),
    pins: findPinDirectories().flatMap((directory) => directory.list()),
    holders: findHolders(),
  };
}

/** Programs with what they ran in the time that was measured. */
async function measurePrograms(measureMs: number): Promise<readonly ProgramInfo[]> {
  using _statistics = enableStatistics();
  const before = new Map(listPrograms().map((program) => [program.id, program]));
  await sleep(measureMs);
  return listPrograms().map((program) => {
    const { runCount = 0n, runTimeNs = 0n } = before.get(program.id) ?? {};
    return { ...program, runCount: program.runCount - runCount, runTimeNs: program.runTimeNs - runTimeNs };
  });
}

function jsonOf({ programs, maps, links, pins, holders }: Inventory): unknown {
  const heldBy = (kind: Pin["kind"], id: number): { readonly holders: readonly Holder[]; readonly pins: readonly string[] } => ({
    holders: holders.get(objectKey(kind, id)) ?? [],
    pins: pins.filter((pin) => pin.kind === kind && pin.id === id).map(({ path }) => path),
  });
  return {
    programs: programs.map((program) => ({ ...program, ...heldBy("program", program.id) })),
    maps: maps.map((map) => ({ ...map, ...heldBy("map", map.id) })),
    links: links.map((link) => ({ ...link, ...heldBy("link", link.id) })),
    pins,
  };
}

function printInventory(inventory: Inventory, terminal: Terminal): void {
  const { programs, maps, links, pins } = inventory;
  const holder = (kind: Pin["kind"], id: number): string => holderText(inventory, kind, id);
  const table = (title: string, head: readonly string[], rows: readonly (readonly string[])[]): void => {
    terminal.print(terminal.style("bold", `${title}: ${rows.length}`));
    if (rows.length > 0) for (const line of alignColumns([head, ...rows], terminal.width)) terminal.print(`  ${line}`);
  };
  table(
    "programs",
    ["ID", "TYPE", "NAME", "RUNS", "TIME PER RUN", "MEMORY", "HELD BY"],
    programs.map(({ id, type, name, runCount, runTimeNs, memoryBytes }) => [
      String(id),
      type,
      name,
      String(runCount),
      runCount === 0n ? "-" : `${runTimeNs / runCount} ns`,
      bytesText(memoryBytes),
      holder("program", id),
    ]),
  );
  table(
    "maps",
    ["ID", "TYPE", "NAME", "ENTRIES", "MEMORY", "HELD BY"],
    maps.map(({ id, type, name, maxEntries, memoryBytes }) => [
      String(id),
      type,
      name,
      String(maxEntries),
      bytesText(memoryBytes),
      holder("map", id),
    ]),
  );
  table(
    "links",
    ["ID", "TYPE", "AT", "PROGRAM", "HELD BY"],
    links.map(({ id, type, target, programId }) => [String(id), type, target, String(programId), holder("link", id)]),
  );
  table(
    "pins of Vigil",
    ["PIN", "KIND", "ID"],
    pins.map(({ owner, name, kind, id }) => [`${owner}/${name}`, kind, String(id)]),
  );
}

function holderText({ holders, pins }: Inventory, kind: Pin["kind"], id: number): string {
  const processes = (holders.get(objectKey(kind, id)) ?? []).map(({ pid, name }) => `${name} (${pid})`);
  const own = pins.filter((pin) => pin.kind === kind && pin.id === id).map(({ owner, name }) => `pin ${owner}/${name}`);
  return [...processes, ...own].join(", ") || "the kernel";
}

function bytesText(sizeBytes: number): string {
  if (sizeBytes < 1024) return `${sizeBytes} B`;
  return sizeBytes < 1024 ** 2 ? `${Math.round(sizeBytes / 1024)} KiB` : `${(sizeBytes / 1024 ** 2).toFixed(1)} MiB`;
}
