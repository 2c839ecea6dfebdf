import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { ActionFields } from "../../event/producer.ts";
import { readDocuments } from "../../resource/document.ts";
import { ConflictWatch } from "./conflict-watch.ts";

const open = (ports: string): string =>
  `apiVersion: vigil.dev/v1alpha1\nkind: AccessPolicy\nmetadata: {name: open, namespace: shop}\nspec: {to: [{workload: b}], from: [{workload: a}], ports: ${ports}}\n---\n`;
const CLOSED =
  "apiVersion: vigil.dev/v1alpha1\nkind: AccessPolicy\nmetadata: {name: closed, namespace: shop}\nspec: {action: Deny, to: [{workload: b}], from: [{entity: any}]}\n";

test("tells conflicts once, as events and in the log, and when they are resolved", async () => {
  const events: ActionFields[] = [];
  const lines: string[] = [];
  const watch = new ConflictWatch({ evidence: { acted: (fields) => void events.push(fields) }, log: (level) => void lines.push(level) });
  const follow = async (yaml: string): Promise<readonly string[]> => {
    const before = events.length;
    watch.follow(readDocuments(yaml, "policies.yaml").documents);
    await turn();
    return events.slice(before).map(({ object, severity, message }) => `${severity} ${object}: ${message}`);
  };
  expect(await follow(open("[443]"))).toEqual([]);
  expect(lines).toEqual([]);
  const contradiction = "contradiction: allows only what `AccessPolicy shop/closed` denies: it grants nothing (policies.yaml:3:18)";
  expect(await follow(open("[443]") + CLOSED)).toEqual([`4 AccessPolicy shop/open: ${contradiction}`]);
  // Written anew, and still so.
  expect(await follow(open("[443, 8443]") + CLOSED)).toEqual([]);
  expect(lines).toEqual(["warning"]);
  expect(await follow(open("[443]"))).toEqual([`1 AccessPolicy shop/open: no longer: ${contradiction}`]);
  expect(lines).toEqual(["warning", "info"]);
});

test("of several changes in one turn only the last is examined", async () => {
  const events: ActionFields[] = [];
  const watch = new ConflictWatch({ evidence: { acted: (fields) => void events.push(fields) }, log: () => {} });
  watch.follow(readDocuments(open("[443]") + CLOSED, "policies.yaml").documents);
  watch.follow(readDocuments(open("[443]"), "policies.yaml").documents);
  await turn();
  expect(events).toEqual([]);
});
