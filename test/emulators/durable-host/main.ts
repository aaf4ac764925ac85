// A Functions host with the Durable extension: main.ts PORT APP. Clients and the app use it as they would the service.
import { Queues } from "./queues.ts";
import { TaskHub } from "./hub.ts";
import { serve } from "./server.ts";
import { Workers } from "./workers.ts";

const [port = "0", app = "", count = "2"] = process.argv.slice(2);
const workers = new Workers(app, Number(count));
const hub = new TaskHub(workers, () => {
  const address = `http://127.0.0.1:${port}/durabletask/`;
  const management = { id: "INSTANCEID" };
  return {
    taskHubName: "emulated",
    creationUrls: {},
    managementUrls: management,
    baseUrl: address,
    rpcBaseUrl: address,
    requiredQueryStringParameters: "code=none",
  };
});
await workers.start();
const queues = new Queues(hub, workers);
queues.start();
await serve(Number(port), { hub, workers });
process.on("SIGTERM", () => {
  queues.close();
  workers.close();
  process.exit();
});
