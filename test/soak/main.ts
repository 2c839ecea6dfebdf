/**
 * `npm run soak -- [webhook] [REQUESTS]`, `npm run soak -- recording [--minutes 60]` and `npm run soak -- swaps [SWAPS]`: hours of work in a row,
 * after which memory, descriptors and objects of the kernel must be what they were, or no answer was a wrong one. Ends with 1 otherwise.
 */
import { parseArgs } from "node:util";
import { soakRecording } from "./recording.ts";
import { soakSwaps } from "./swaps.ts";
import { soakWebhook } from "./webhook.ts";

const { positionals, values } = parseArgs({ allowPositionals: true, options: { minutes: { type: "string", default: "60" } } });
const [first = "webhook", second] = positionals;

/** By name: how much unless it is said, and the work. */
const SOAKS: Readonly<Record<string, { readonly amount: number; readonly run: (amount: number) => Promise<boolean> }>> = {
  webhook: { amount: Number(second ?? 1_000_000), run: soakWebhook },
  recording: { amount: Number(values.minutes), run: soakRecording },
  swaps: { amount: Number(second ?? 1000), run: soakSwaps },
};
const soak = SOAKS[first] ?? { amount: Number(first), run: soakWebhook };
if (!(soak.amount > 0)) {
  console.error("expected `webhook [REQUESTS]`, `recording [--minutes MINUTES]` or `swaps [SWAPS]`");
  process.exit(2);
}
process.exitCode = (await soak.run(soak.amount)) ? 0 : 1;
