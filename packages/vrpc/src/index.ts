export { type Datagram, takeDatagram, writeDatagram } from "./datagram.ts";
export { decodeEndpoint, type Endpoint, encodeEndpoint } from "./endpoint.ts";
export * from "./handshake.ts";
export {
  encodeMessage,
  type Message,
  MessageInvalid,
  MessageSender,
  takeMessage,
} from "./message.ts";
export { PayloadReader, PayloadWriter, type RingPair } from "./payload.ts";
