/** The entry of the runtime sensor: a process of its own, which root's eBPF needs and which every event of the host keeps busy. */
import { parseAgentSettings } from "./agent/settings.ts";
import { runSupervised } from "./run-supervised.ts";
import { startSensor } from "./sensor/start.ts";

runSupervised((settings) => startSensor(parseAgentSettings(settings)));
