/** Lifelines: real kernel connections, a clock that the test moves. */
import { EPOLLIN } from "@outsock/abi";
import {
  acceptInet,
  bindInet,
  closeFd,
  connectInet,
  dupFd,
  EpollSet,
  getsockname,
  inetSocket,
  listenFd,
  SysError,
  sendByte,
  setLinger,
  socketpair,
  tcpSequences,
} from "@outsock/hostsys";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Broker } from "../src/shortcut/broker.ts";
import { Lifelines, LOOK_EVERY, YOUNG } from "../src/shortcut/lifelines.ts";
import { sequenceProof, tupleProof } from "../src/shortcut/proof.ts";
import type { Shortcut } from "../src/shortcut/shortcut.ts";
import { Member, offer } from "./shortcut-members.ts";

const open = new Set<number>();

/** Both ends of a connection over loopback. */
function connection(): [number, number] {
  const listener = inetSocket("tcp");
  bindInet(listener, "127.0.0.1", 0);
  listenFd(listener, 1);
  const client = inetSocket("tcp");
  expect(connectInet(client, "127.0.0.1", getsockname(listener).port)).toBe("connected");
  const server = acceptInet(listener)!.fd;
  closeFd(listener);
  for (const fd of [client, server]) open.add(fd);
  return [client, server];
}

function close(fd: number): void {
  if (open.delete(fd)) closeFd(fd);
}

function reset(fd: number): void {
  setLinger(fd, true, 0);
  close(fd);
}

let lifelines: Lifelines;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  lifelines = new Lifelines();
});
afterEach(() => {
  lifelines.close();
  vi.useRealTimers();
  for (const fd of [...open]) close(fd);
});

/** A shortcut over a connection; the members are its guests. */
function shortcut(a = new Member(), b = new Member()) {
  const [client, server] = connection();
  let made: Shortcut | undefined;
  const broker = new Broker({
    defer: () => {},
    onMade: (one) => {
      made = one;
      lifelines.add(one);
    },
    onOver: (one) => {
      lifelines.remove(one);
      // Its descriptors are closed by it.
      for (const { fd } of one.ends) open.delete(fd);
    },
  });
  broker.offer(offer("connected", a, ["x"], () => client));
  broker.offer(offer("accepted", b, ["x"], () => server));
  return { made: made!, a, b };
}

describe("Lifelines", () => {
  test("young: not handed out; then both ends go out, once", () => {
    const { made, a, b } = shortcut();
    vi.advanceTimersByTime(YOUNG);
    expect([a.lifelines, b.lifelines]).toEqual([[], []]);
    vi.advanceTimersByTime(YOUNG);
    expect([a.lifelines.length, b.lifelines.length]).toEqual([1, 1]);
    vi.advanceTimersByTime(10 * YOUNG);
    expect([a.lifelines.length, b.lifelines.length]).toEqual([1, 1]);
    expect(made.ends.every(({ handedOut }) => handedOut)).toBe(true);
  });

  test("over before it is tended: nothing goes out", () => {
    const { made, a, b } = shortcut();
    made.close(0);
    made.close(1);
    vi.advanceTimersByTime(10 * YOUNG);
    expect([a.lifelines, b.lifelines]).toEqual([[], []]);
  });

  test("a guest does not take them now: they go out when it does", () => {
    const { a, b } = shortcut();
    a.willing = false;
    vi.advanceTimersByTime(5 * YOUNG);
    expect([a.lifelines.length, b.lifelines.length]).toEqual([0, 1]);
    a.willing = true;
    vi.advanceTimersByTime(YOUNG);
    expect(a.lifelines).toHaveLength(1);
  });

  test("the kernel's connection is reset: both guests are told at the next look, once", () => {
    const { made, a, b } = shortcut();
    vi.advanceTimersByTime(2 * YOUNG);
    const [end] = made.ends;
    // Whoever kills the connection: here one end of it is reset under the agent.
    const copy = dupFd(made.ends[1].fd);
    lifelines.unwatch(end.fd);
    setLinger(end.fd, true, 0);
    close(end.fd);
    vi.advanceTimersByTime(LOOK_EVERY);
    expect(a.resets.map(({ errno }) => errno)).toEqual([104]);
    expect(b.resets.map(({ errno }) => errno)).toEqual([104]);
    vi.advanceTimersByTime(5 * LOOK_EVERY);
    expect(b.resets).toHaveLength(1);
    closeFd(copy);
  });

  test("restored: a reset is told; the other end closed without one is no reset", () => {
    const told: string[] = [];
    const watched = (name: string) => ({
      reset: (errno: number) => told.push(`${name} reset ${errno}`),
      finished: () => told.push(`${name} finished`),
    });
    const [resetEnd, first] = connection();
    const [closedEnd, second] = connection();
    lifelines.watch(first, watched("first"));
    lifelines.watch(second, {
      ...watched("second"),
      finished: () => {
        told.push("second finished");
        lifelines.unwatch(second);
      },
    });
    vi.advanceTimersByTime(LOOK_EVERY);
    expect(told).toEqual([]);
    reset(resetEnd);
    close(closedEnd);
    vi.advanceTimersByTime(3 * LOOK_EVERY);
    expect(told.toSorted()).toEqual(["first reset 104", "second finished"]);
  });

  test("what is no TCP connection is not watched, and nothing is thrown", () => {
    const [one, two] = socketpair();
    const told: number[] = [];
    lifelines.watch(one, { reset: (errno) => void told.push(errno) });
    closeFd(two);
    vi.advanceTimersByTime(2 * LOOK_EVERY);
    closeFd(one);
    expect(told).toEqual([]);
  });
});

describe("proofs", () => {
  test("one 4-tuple in two spellings is one proof; a shared local port is none", () => {
    const client = { address: "127.77.0.9", port: 40_000, family: 4 } as const;
    const server = { address: "127.77.0.10", port: 80, family: 4 } as const;
    const mapped = { address: "::ffff:127.77.0.10", port: 80, family: 6 } as const;
    expect(tupleProof("a", client, server)).toBe(tupleProof("a", client, mapped));
    expect(tupleProof("a", client, server)).not.toBe(tupleProof("b", client, server));
    const other = { ...server, port: 81 };
    expect(tupleProof("a", client, server)).not.toBe(tupleProof("a", client, other));
  });

  const why = process.getuid?.() === 0 ? "" : " (needs root)";
  test.skipIf(why !== "")(
    `sequence numbers: the ends of one connection name the same two${why}`,
    () => {
      const [client, server] = connection();
      const [one, two] = [tcpSequences(client), tcpSequences(server)];
      expect(sequenceProof(one.send, one.receive)).toBe(sequenceProof(two.receive, two.send));
      const [other] = connection();
      const { send, receive } = tcpSequences(other);
      expect(sequenceProof(send, receive)).not.toBe(sequenceProof(one.send, one.receive));
      // It goes on as a connection: bytes pass.
      sendByte(client);
      const set = new EpollSet();
      set.add(server, EPOLLIN);
      expect(set.look().map(({ fd }) => fd)).toEqual([server]);
      set.close();
    },
  );
});

describe("hostsys: connect and accept by hand", () => {
  test("connect to nobody: ECONNREFUSED; accept of nobody: null", () => {
    const listener = inetSocket("tcp");
    open.add(listener);
    bindInet(listener, "127.0.0.1", 0);
    const client = inetSocket("tcp");
    open.add(client);
    expect(connectInet(client, "127.0.0.1", getsockname(listener).port)).toBe(111);
    listenFd(listener, 1);
    expect(acceptInet(listener)).toBeNull();
  });

  test("a full backlog: pending", () => {
    const listener = inetSocket("tcp");
    open.add(listener);
    bindInet(listener, "127.0.0.1", 0);
    listenFd(listener, 0);
    const { port } = getsockname(listener);
    const outcomes = Array.from({ length: 6 }, () => {
      const fd = inetSocket("tcp");
      open.add(fd);
      return connectInet(fd, "127.0.0.1", port);
    });
    expect(outcomes[0]).toBe("connected");
    expect(outcomes.at(-1)).toBe("pending");
  });

  test("accept names the peer", () => {
    const listener = inetSocket("tcp");
    const client = inetSocket("tcp");
    for (const fd of [listener, client]) open.add(fd);
    bindInet(listener, "127.0.0.1", 0);
    listenFd(listener, 1);
    connectInet(client, "127.0.0.1", getsockname(listener).port);
    const accepted = acceptInet(listener)!;
    open.add(accepted.fd);
    expect(accepted.peer).toEqual(getsockname(client));
  });

  test("EpollSet: removed or closed descriptors are not reported; adding twice fails", () => {
    const set = new EpollSet();
    const [one, two] = socketpair();
    set.add(one, EPOLLIN);
    expect(() => set.add(one, EPOLLIN)).toThrow(SysError);
    expect(set.look()).toEqual([]);
    sendByte(two);
    expect(set.look()).toEqual([{ fd: one, events: EPOLLIN }]);
    set.remove(one);
    set.remove(one);
    expect(set.look()).toEqual([]);
    closeFd(one);
    closeFd(two);
    set.close();
  });
});
