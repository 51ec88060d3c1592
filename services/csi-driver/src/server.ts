/** The gRPC servers: the driver's own, and the one by which the kubelet finds it. */
import { chmodSync, existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { DRIVER_NAME, type Driver, type DriverLog } from "./driver.ts";
import { CsiError } from "./errors.ts";
import { Identity, Node, Registration } from "./services.ts";

type Call = ServerUnaryCall<unknown, unknown>;

export interface ServerOptions {
  driver: Driver;
  version: string;
  nodeName: string;
  /** Socket of the driver, as the kubelet sees it too. */
  endpoint: string;
  /** Socket in the kubelet's plugins_registry. */
  registration: string;
  /** Sentences that say why no volume can be published; none = ready. */
  troubles(): string[];
  log: DriverLog;
}

/** A call that answers by a promise; what it throws is the call's status. */
function answer(log: DriverLog, name: string, handle: (request: never) => unknown) {
  const work = async (call: Call, done: sendUnaryData<unknown>): Promise<void> => {
    try {
      done(null, (await handle(call.request as never)) ?? {});
    } catch (error) {
      const { message } = error as Error;
      const code = error instanceof CsiError ? error.code : status.INTERNAL;
      log.warn({ call: name, status: status[code] }, message);
      done({ code, details: message });
    }
  };
  return (call: Call, done: sendUnaryData<unknown>): void => void work(call, done);
}

/** Listens on a unix socket; one that a killed driver left is taken away. */
async function listen(server: Server, path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
  chmodSync(path, 0o600);
}

export class CsiServer {
  private readonly options: ServerOptions;
  private readonly services = new Server();
  private readonly registry = new Server();
  /** What the kubelet said of the registration; undefined while it has said nothing. */
  registered: boolean | undefined;

  constructor(options: ServerOptions) {
    this.options = options;
    const { driver, log, version, nodeName, troubles } = options;
    const method = (name: string, handle: (request: never) => unknown) => answer(log, name, handle);
    this.services.addService(Identity.service, {
      GetPluginInfo: method("GetPluginInfo", () => ({
        name: DRIVER_NAME,
        vendor_version: version,
      })),
      GetPluginCapabilities: method("GetPluginCapabilities", () => ({})),
      Probe: method("Probe", () => ({ ready: { value: troubles().length === 0 } })),
    });
    this.services.addService(Node.service, {
      NodePublishVolume: method("NodePublishVolume", (request) => driver.publish(request)),
      NodeUnpublishVolume: method("NodeUnpublishVolume", (request) => driver.unpublish(request)),
      NodeGetCapabilities: method("NodeGetCapabilities", () => ({})),
      NodeGetInfo: method("NodeGetInfo", () => ({ node_id: nodeName })),
    });
    this.registry.addService(Registration.service, {
      GetInfo: method("GetInfo", () => ({
        type: "CSIPlugin",
        name: DRIVER_NAME,
        endpoint: options.endpoint,
        supported_versions: ["1.0.0"],
      })),
      NotifyRegistrationStatus: method("NotifyRegistrationStatus", (said) => this.onStatus(said)),
    });
  }

  private onStatus(said: { plugin_registered: boolean; error: string }): void {
    this.registered = said.plugin_registered;
    if (said.plugin_registered) this.options.log.info({}, "registered with the kubelet");
    else this.options.log.warn({ error: said.error }, "the kubelet refuses the driver");
  }

  /** The driver answers before the kubelet is told of it. */
  async start(): Promise<void> {
    await listen(this.services, this.options.endpoint);
    await listen(this.registry, this.options.registration);
  }

  /** The kubelet forgets the driver when its socket in the registry goes. */
  async stop(): Promise<void> {
    rmSync(this.options.registration, { force: true });
    this.registry.forceShutdown();
    await new Promise<void>((resolve) => this.services.tryShutdown(() => resolve()));
    rmSync(this.options.endpoint, { force: true });
    const folder = dirname(this.options.endpoint);
    if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
  }
}
