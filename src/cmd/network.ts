/** The entry of the network process, which holds access policies in the kernel: a process of its own beside the agent. */
import { parseNetworkSettings } from "./network/settings.ts";
import { startNetwork } from "./network/start.ts";
import { runSupervised } from "./run-supervised.ts";

runSupervised((settings) => startNetwork(parseNetworkSettings(settings)));
