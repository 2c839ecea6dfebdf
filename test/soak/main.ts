/**
 * `npm run soak -- [webhook] [REQUESTS]` and `npm run soak -- recording [--minutes 60]`: hours of work in a row, after which memory,
 * descriptors and objects of the kernel must be what they were. Ends with 1 when they are not.
 */
import { parseArgs } from "node:util";
import { soakRecording } from "./recording.ts";
import { soakWebhook } from "./webhook.ts";

const { positionals, values } = parseArgs({ allowPositionals: true, options: { minutes: { type: "string", default: "60" } } });
const [first = "webhook", second] = positionals;
const isRecording = first === "recording";
const requests = Number(first === "webhook" ? (second ?? 1_000_000) : first);
const minutes = Number(values.minutes);
if (isRecording ? !(minutes > 0) : !(requests > 0)) {
  console.error("expected `webhook [REQUESTS]` or `recording [--minutes MINUTES]`");
  process.exit(2);
}
process.exitCode = (await (isRecording ? soakRecording(minutes) : soakWebhook(requests))) ? 0 : 1;
