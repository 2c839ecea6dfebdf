/** A host outside: echoes what it is sent, at every address that it has. Run inside of a network namespace; says its port. */
import { createServer } from "node:net";

const server = createServer((socket) => {
  socket.on("error", () => {});
  socket.pipe(socket);
});
server.listen(Number(process.argv[2]), "::", () => process.stdout.write("ready\n"));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
