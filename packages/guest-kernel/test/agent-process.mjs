// A host agent in a process of its own, on the unix socket that is named: a guest's blocking calls
// would wait for ever for an agent in their own thread. Ends with the process that started it.
import { Agent } from "@outsock/host-agent";

const workers = Number(process.argv[3] ?? 1);
const agent = new Agent({ log: { info() {}, warn() {} }, version: "test", workers });
await agent.listen(process.argv[2]);
process.on("disconnect", () => process.exit(0));
process.send("listening");
