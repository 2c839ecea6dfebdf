// Sends mails; here it counts them.
import { serve } from "./service.js";

let sent = 0;

await serve({
  "POST /mails": () => ({ sent: ++sent }),
});
