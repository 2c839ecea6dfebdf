// Charges and refunds. Who may do what is in policies/payments.yaml, not here.
import { serve } from "./service.js";

let charged = 0;

function charge(amount) {
  charged += amount;
  return { charged };
}

await serve({
  "POST /tenants/{tenant}/charges": ({ body: { price } }) => charge(price),
  "GET /tenants/{tenant}/charges": () => ({ charged }),
  "POST /tenants/{tenant}/refunds": ({ body: { price } }) => charge(-price),
});
