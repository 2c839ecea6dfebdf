/** Every command, in the order of the help. The rows are light: what a command works with is loaded when it runs. */
import type { Command } from "./command.ts";
import { completionCommand } from "./commands/completion.ts";
import { configShowCommand } from "./commands/config-show.ts";
import { eventsCommand, eventsWhyCommand } from "./commands/events.ts";
import { versionCommand } from "./commands/version.ts";

export const CATALOGUE: readonly Command[] = [eventsCommand, eventsWhyCommand, configShowCommand, completionCommand, versionCommand];
