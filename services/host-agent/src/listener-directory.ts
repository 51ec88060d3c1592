/**
 * Who listens where among the guests of this agent, so that a guest that connects there finds its
 * peer without waiting for the event loop. A hint: what is proven stands in shortcut/proof.ts.
 */
import type { Listener } from "./listener.ts";

export interface ListeningAt {
  listener: Listener;
  /** The descriptor that listens. */
  fd: number;
}

export class ListenerDirectory {
  private readonly listening = new Map<string, ListeningAt>();

  /** @param scope names the network namespace. @returns takes it out again */
  add(scope: string, address: string, port: number, at: ListeningAt): () => void {
    const key = `${scope} ${address}:${port}`;
    this.listening.set(key, at);
    return () => {
      if (this.listening.get(key) === at) this.listening.delete(key);
    };
  }

  find(scope: string, address: string, port: number): ListeningAt | undefined {
    return this.listening.get(`${scope} ${address}:${port}`);
  }
}
