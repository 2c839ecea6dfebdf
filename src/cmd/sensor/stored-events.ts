/** Which events of processes are stored, by the setting `runtime.store`. */
import { RUNTIME_EVENTS, type RuntimeEventName } from "../../resource/runtime-event-name.ts";

/** What tells most and comes seldom. */
const USUAL: readonly RuntimeEventName[] = ["process.exec", "network.connect", "network.listen"];

/** Names of events by words: a name, the part of names before the dot, or `none`. Words that are none of these are in `unknown`. */
export function eventsNamed(words: readonly string[]): {
  readonly names: ReadonlySet<RuntimeEventName>;
  readonly unknown: readonly string[];
} {
  const names = new Set<RuntimeEventName>();
  const unknown: string[] = [];
  for (const word of words) {
    const found = RUNTIME_EVENTS.filter((name) => name === word || name.startsWith(`${word}.`));
    if (found.length === 0 && word !== "none") unknown.push(word);
    for (const name of found) names.add(name);
  }
  return { names, unknown };
}

export const storedEvents = (stated: readonly string[]): ReturnType<typeof eventsNamed> =>
  eventsNamed(stated.length === 0 ? USUAL : stated);
