/** What `node:http2` costs by itself: a server that answers every call with the same message. `bare-http2.ts SOCKET MESSAGE` (framed, in hex). */
import { createServer } from "node:http2";

const [, , path = "", message = ""] = process.argv;
const framed = Buffer.from(message, "hex");
const server = createServer();
server.on("stream", (stream) => {
  stream.on("error", () => {});
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.on("data", () => {});
  stream.on("end", () => {
    stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
    stream.end(framed);
  });
});
server.listen(path, () => process.stdout.write("ready\n"));
