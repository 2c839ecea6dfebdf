// An order: what is in stock is charged, and the customer gets a mail.
import { call, serve } from "./service.js";

let count = 0;

await serve({
  "POST /orders": async ({ body: { item, tenant }, authorization }) => {
    const { price } = await call("inventory", "GET", `/stock/${item}`, { authorization });
    await call("payments", "POST", `/tenants/${tenant}/charges`, { body: { price }, authorization });
    await call("mailer", "POST", "/mails", { body: { subject: `your ${item}` }, authorization });
    return { order: ++count, price };
  },
});
