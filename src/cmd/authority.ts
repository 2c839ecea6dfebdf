/** The entry of the authority process. */
import { parseAuthoritySettings } from "./authority/settings.ts";
import { startAuthority } from "./authority/start.ts";
import { runSupervised } from "./run-supervised.ts";

runSupervised((settings) => startAuthority(parseAuthoritySettings(settings)));
