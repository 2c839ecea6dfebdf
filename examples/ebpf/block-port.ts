// Refuses TCP and UDP connections of a cgroup to a port: block-port.ts CGROUP PORT [SECONDS]. Needs root and cgroup v2.
import { setTimeout as sleep } from "node:timers/promises";
import { arrayMap, attachCgroup, loadCollection, socketAddressProgram, u64AsNumber } from "@vigil-dev/vigil/ebpf";

const [cgroup = "/sys/fs/cgroup", port = "25", seconds = "1e6"] = process.argv.slice(2);
const refused = arrayMap("refused", { value: u64AsNumber, maxEntries: 1 });

const programs = (["connect4", "connect6"] as const).map((hook) =>
  socketAddressProgram(`block_${hook}`, { hook }, (code, address) => {
    code.if(address.get("user_port").bigEndian(16).eq(Number(port)), () => {
      code.globalValue(refused).incrementValue();
      code.return(0);
    });
    code.return(1);
  }),
);

using loaded = loadCollection({ programs });
using links = new DisposableStack();
for (const program of programs) links.use(attachCgroup(loaded.program(program), cgroup));
console.log(`blocking port ${port}`);
await sleep(Number(seconds) * 1000);
console.log(`refused ${loaded.keyed(refused).get(0)}`);
