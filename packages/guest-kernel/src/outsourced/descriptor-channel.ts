/** Descriptors that come beside messages: one byte carries as many as a message announces. */
import { recvWithFds, SysError, sendWithFds } from "@outsock/hostsys";
import { MessageInvalid } from "@outsock/vrpc";

const ONE_BYTE = new Uint8Array(1);

/**
 * Takes the descriptors that a message announced.
 * @returns none when this process has no room for them (EMFILE)
 * @throws MessageInvalid when nothing is there
 */
export function takeDescriptors(channel: number, most: number): number[] {
  let received: ReturnType<typeof recvWithFds>;
  try {
    received = recvWithFds(channel, 1, most);
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    if (error.code === "EMFILE") return [];
    throw new MessageInvalid(`descriptors were announced: ${error.message}`);
  }
  if (received === null || received.data.length === 0) {
    throw new MessageInvalid("descriptors were announced and did not come");
  }
  return received.fds;
}

/** @returns false when they cannot be sent now */
export function giveDescriptors(channel: number, fds: readonly number[]): boolean {
  try {
    return sendWithFds(channel, ONE_BYTE, fds) === 1;
  } catch (error) {
    if (error instanceof SysError) return false;
    throw error;
  }
}
