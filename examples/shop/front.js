// The door of the shop: plain HTTP for customers, mutual TLS to the services behind it.
import { createServer } from "node:http";
import { protectServer } from "@vigil-dev/vigil/node/access";
import { answer, call, listen, openGate } from "./service.js";

const routes = {
  "POST /checkout": ({ body, authorization }) => call("orders", "POST", "/orders", { body, authorization }),
};
const door = createServer((incoming, response) => answer(routes, incoming, response));
listen(protectServer(door, await openGate(Object.keys(routes))));
