/** A kubelet's side of a driver: gRPC clients, and the paths that it would use. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Client,
  credentials,
  type ServiceClientConstructor,
  type ServiceError,
} from "@grpc/grpc-js";

export const POD = {
  uid: "6c1f0d7e-8d53-4b8e-9d61-0f6f0e6f3a11",
  name: "web-0",
  namespace: "shop",
  serviceAccount: "default",
};

type Call = (
  request: object,
  options: object,
  done: (e: ServiceError | null, r: unknown) => void,
) => void;

/** One call; fails by the status's name and its sentence. */
export async function call(
  Service: ServiceClientConstructor,
  socket: string,
  name: string,
  request: object = {},
): Promise<unknown> {
  const client = new Service(`unix:${socket}`, credentials.createInsecure()) as Client;
  try {
    return await new Promise((resolve, reject) => {
      const method = (client as unknown as Record<string, Call>)[name]!;
      method.call(client, request, { deadline: Date.now() + 10_000 }, (error, reply) => {
        if (error) reject(error);
        else resolve(reply);
      });
    });
  } finally {
    client.close();
  }
}

/** Directories as on a node, gone with `close`. */
export class NodeDirectories {
  readonly root = mkdtempSync(join(tmpdir(), "outsock-csi-"));
  readonly kubelet = join(this.root, "kubelet");
  readonly outsock = join(this.root, "outsock");
  readonly runtime = join(this.root, "runtime");
  readonly endpoint = join(this.kubelet, "plugins/shm.outsock.dev/csi.sock");
  readonly registration = join(this.kubelet, "plugins_registry/shm.outsock.dev-reg.sock");
  readonly target = this.targetOf(POD.uid);

  constructor() {
    for (const directory of [this.kubelet, this.outsock, this.runtime]) mkdirSync(directory);
    writeFileSync(join(this.runtime, "runtime.cjs"), "// the runtime\n");
    mkdirSync(join(this.kubelet, "pods", POD.uid, "volumes/kubernetes.io~csi/outsock"), {
      recursive: true,
    });
  }

  targetOf(uid: string): string {
    return join(this.kubelet, "pods", uid, "volumes/kubernetes.io~csi/outsock/mount");
  }

  publishRequest(changes: object = {}, context: Record<string, string> = {}): object {
    return {
      volume_id: "csi-1",
      target_path: this.target,
      volume_capability: { mount: {} },
      readonly: true,
      volume_context: {
        "csi.storage.k8s.io/ephemeral": "true",
        "csi.storage.k8s.io/pod.uid": POD.uid,
        "csi.storage.k8s.io/pod.name": POD.name,
        "csi.storage.k8s.io/pod.namespace": POD.namespace,
        "csi.storage.k8s.io/serviceAccount.name": POD.serviceAccount,
        ...context,
      },
      ...changes,
    };
  }

  close(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** An agent that answers every request by `reply` and keeps what it was asked. */
export async function fakeAgent(
  path: string,
  reply: (request: Record<string, unknown>) => string,
): Promise<{ asked: Record<string, unknown>[]; server: Server }> {
  const asked: Record<string, unknown>[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (data) => {
      const request = JSON.parse(data.toString()) as Record<string, unknown>;
      asked.push(request);
      socket.end(reply(request));
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { asked, server };
}
