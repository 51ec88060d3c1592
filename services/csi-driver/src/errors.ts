/** Errors that the kubelet shows: a gRPC status and one sentence for the user. */
import { status } from "@grpc/grpc-js";

export class CsiError extends Error {
  readonly code: status;

  constructor(code: status, sentence: string) {
    super(sentence);
    this.code = code;
  }
}

export const invalid = (sentence: string): CsiError =>
  new CsiError(status.INVALID_ARGUMENT, sentence);
