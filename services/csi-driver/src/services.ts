/** The gRPC services, from the checked-in .proto files. */
import { fileURLToPath } from "node:url";
import {
  type GrpcObject,
  loadPackageDefinition,
  type ServiceClientConstructor,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

function load(file: string): GrpcObject {
  const path = fileURLToPath(new URL(`../proto/${file}`, import.meta.url));
  return loadPackageDefinition(
    loadSync(path, { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true }),
  );
}

const csi = (load("csi.proto").csi as GrpcObject).v1 as GrpcObject;
const registration = load("pluginregistration.proto").pluginregistration as GrpcObject;

export const Identity = csi.Identity as ServiceClientConstructor;
export const Node = csi.Node as ServiceClientConstructor;
export const Registration = registration.Registration as ServiceClientConstructor;

export interface PublishRequest {
  volume_id: string;
  target_path: string;
  volume_capability: { access_type?: "block" | "mount" } | null;
  readonly: boolean;
  volume_context: Record<string, string>;
}

export interface UnpublishRequest {
  volume_id: string;
  target_path: string;
}
