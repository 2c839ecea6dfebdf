/** The entry of the node agent. */
import { parseAgentSettings } from "./agent/settings.ts";
import { startAgent } from "./agent/start.ts";
import { runSupervised } from "./run-supervised.ts";

runSupervised((settings) => startAgent(parseAgentSettings(settings)));
