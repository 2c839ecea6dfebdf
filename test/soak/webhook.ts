/**
 * A million reviews (or as many as told) over TLS against the webhook with the built-in packs and the event
 * store, good, bad and broken ones mixed, over HTTP/1.1 and HTTP/2. Prints the server's heap by quarter; the last one may be at most
 * 105 % of the first.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { setTimeout } from "node:timers/promises";
import { connect, type TLSSocket } from "node:tls";
import { sampleReview } from "../admission/sample-review.ts";

const QUARTERS = 4;
const SAMPLES_PER_QUARTER = 5;
const CONNECTIONS = 6;
const MAX_RATIO = 1.05;
const MIB = 1024 * 1024;

interface Started {
  readonly port: number;
  readonly ca: string;
}
/** What the server says of itself, after a full collection. */
interface Sample {
  readonly heapBytes: number;
  readonly rssBytes: number;
  readonly committed: number;
  readonly lost: number;
}

/** False when memory grew. */
export async function soakWebhook(requests: number): Promise<boolean> {
  const warmUp = Math.ceil(requests / 20);
  const server = fork(new URL("./webhook-server.ts", import.meta.url), { execArgv: ["--expose-gc"] });
  server.on("exit", (code) => {
    if (code !== 0) process.exit(1);
  });
  const started = await message<Started>();

  /** The next message of the server, which is of this checkout and says nothing else. */
  async function message<T>(): Promise<T> {
    const [answer] = await once(server, "message");
    return answer as T;
  }

  function sample(): Promise<Sample> {
    server.send("sample");
    return message<Sample>();
  }

  const bodies = Array.from({ length: 500 }, (_, number) => {
    const text = JSON.stringify(sampleReview(number));
    if (number % 50 === 17) return text.slice(0, text.length / 2);
    return number % 50 === 33 ? text.replace('"uid"', '"__proto__":{},"uid"') : text;
  });
  const bodyOf = (number: number): string => bodies[number % bodies.length] ?? "";
  const pathOf = (number: number): string => (number % 7 === 3 ? "/mutate" : "/validate");

  let sent = 0;
  let answered = 0;
  const next = (upTo: number): number | undefined => (sent < upTo ? sent++ : undefined);

  /** Keeps one HTTP/1.1 connection busy; a refusal ends it and the next one is opened. */
  async function speakHttp1(upTo: number): Promise<void> {
    for (let number = next(upTo); number !== undefined; ) {
      const socket = connect({ host: "127.0.0.1", port: started.port, ca: started.ca, ALPNProtocols: ["http/1.1"] });
      number = await askUntilClosed(socket, number, upTo);
    }
  }

  /** Resolves with the number to go on with, undefined at the end. */
  function askUntilClosed(socket: TLSSocket, first: number, upTo: number): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      let current: number | undefined = first;
      const ask = (): void => {
        if (current === undefined) {
          socket.end();
          return;
        }
        const body = bodyOf(current);
        socket.write(
          `POST ${pathOf(current)}?timeout=10s HTTP/1.1\r\nhost: vigil\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        );
        // Now and then a client goes away before it has its answer.
        if (current % 1009 === 0) socket.destroy();
      };
      let text = "";
      socket.on("secureConnect", ask);
      socket.on("data", (chunk) => {
        text += chunk;
        const end = text.indexOf("\r\n\r\n");
        const length = /content-length: (\d+)/i.exec(text);
        if (end < 0 || length === null || Buffer.byteLength(text) < end + 4 + Number(length[1])) return;
        const isLast = /connection: close/i.test(text);
        text = "";
        answered++;
        current = next(upTo);
        if (!isLast) ask();
      });
      socket.on("error", reject);
      socket.on("close", () => {
        if (current !== undefined && current % 1009 === 0) current = next(upTo);
        resolve(current);
      });
    });
  }

  async function speakHttp2(session: ClientHttp2Session, upTo: number): Promise<void> {
    for (let number = next(upTo); number !== undefined; number = next(upTo)) {
      const stream = session.request({ ":method": "POST", ":path": pathOf(number), "content-type": "application/json" });
      stream.end(bodyOf(number));
      stream.resume();
      await once(stream, "end");
      answered++;
    }
  }

  async function send(upTo: number): Promise<void> {
    const session = connectHttp2(`https://127.0.0.1:${started.port}`, { ca: started.ca });
    const http1 = Array.from({ length: CONNECTIONS }, () => speakHttp1(upTo));
    await Promise.all([...http1, speakHttp2(session, upTo), speakHttp2(session, upTo)]);
    session.close();
  }

  await send(warmUp);
  const startMs = performance.now();
  const means: number[] = [];
  for (let quarter = 1; quarter <= QUARTERS; quarter++) {
    const samples: Sample[] = [];
    for (let part = 1; part <= SAMPLES_PER_QUARTER; part++) {
      await send(warmUp + Math.round((requests * (SAMPLES_PER_QUARTER * (quarter - 1) + part)) / (QUARTERS * SAMPLES_PER_QUARTER)));
      // What was queued for the disk is not a leak.
      await setTimeout(100);
      samples.push(await sample());
    }
    const mean = samples.reduce((sum, { heapBytes }) => sum + heapBytes, 0) / samples.length;
    means.push(mean);
    const { rssBytes = 0, committed = 0, lost = 0 } = samples.at(-1) ?? {};
    const rate = (sent - warmUp) / ((performance.now() - startMs) / 1000);
    console.log(
      `quarter ${quarter}: heap ${(mean / MIB).toFixed(2)} MiB, resident ${(rssBytes / MIB).toFixed(0)} MiB, ${answered} answered, ${committed} events stored, ${lost} lost, ${rate.toFixed(0)} requests/s`,
    );
  }
  server.send("stop");
  await once(server, "exit");
  const ratio = (means.at(-1) ?? Number.NaN) / (means[0] ?? Number.NaN);
  console.log(`last quarter / first quarter: ${(ratio * 100).toFixed(1)} % (at most ${MAX_RATIO * 100} %)`);
  return ratio <= MAX_RATIO;
}
