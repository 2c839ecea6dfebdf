// What there is, and what it costs.
import { serve } from "./service.js";

const PRICES = { tea: 4, coffee: 6 };

await serve({
  "GET /stock/{item}": ({ path }) => ({ price: PRICES[path.split("/").at(-1)] ?? 9 }),
});
