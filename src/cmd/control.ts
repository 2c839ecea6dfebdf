/** The entry of the control process. */
import { parseControlSettings } from "./control/settings.ts";
import { startControl } from "./control/start.ts";
import { runSupervised } from "./run-supervised.ts";

runSupervised((settings) => startControl(parseControlSettings(settings)));
