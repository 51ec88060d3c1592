import { ERRNO } from "@outsock/abi";
import { describe, expect, it } from "vitest";
import { hasCapability } from "../src/capabilities.ts";
import { PodPlan } from "../src/pod-plan.ts";
import { cgroupsFit } from "../src/pod-process.ts";
import { checkPod } from "../src/pod-registry.ts";

const UID = "6c1f0d7e-8d53-4b8e-9d61-0f6f0e6f3a11";
const OTHER = "11111111-8d53-4b8e-9d61-0f6f0e6f3a11";

describe("cgroups of a process that says it is of a pod", () => {
  it.each([
    ["cgroupfs driver, v1", `4:memory:/kubepods/burstable/pod${UID}/0123abc\n`],
    [
      "systemd driver, v2",
      `0::/kubepods.slice/kubepods-pod${UID.replaceAll("-", "_")}.slice/cri-1`,
    ],
    ["seen from a cgroup namespace", `0::/../../kubelet/kubepods/pod${UID}/0123abc\n`],
    ["a cluster inside of a pod", `0::/kubepods/pod${OTHER}/node/kubepods/pod${UID}/0123abc\n`],
    ["no cgroup of a pod", "0::/user.slice/user-1000.slice\n"],
  ])("%s: fits", (_name, text) => {
    expect(cgroupsFit(text, UID)).toBe(true);
  });

  it("those of another pod: does not fit", () => {
    expect(cgroupsFit(`0::/kubepods/besteffort/pod${OTHER}/0123abc\n`, UID)).toBe(false);
  });
});

describe("what the volume driver says of a pod", () => {
  const pod = { uid: UID, name: "web-0", namespace: "shop", serviceAccount: "", volumeId: "csi-1" };

  it("is taken, without what is not known", () => {
    expect(checkPod({ ...pod, request: "pod" })).toEqual(pod);
  });

  it.each([
    ["uid", "../../etc"],
    ["uid", ""],
    ["uid", 7],
    ["name", "Web"],
    ["namespace", "a/b"],
    ["volumeId", "a b"],
    ["serviceAccount", "x\n"],
  ])("%s %j is refused", (key, value) => {
    expect(() => checkPod({ ...pod, [key]: value })).toThrow(`the pod's ${key} is missing`);
  });

  it("what is no object is refused", () => {
    for (const value of [null, "pod", undefined]) expect(() => checkPod(value)).toThrow("uid");
  });
});

it("capabilities are read from the effective set", () => {
  const status = "CapPrm:\t000001ffffffffff\nCapEff:\t0000000000281400\n";
  expect(hasCapability(status, "SYS_ADMIN")).toBe(true);
  expect(hasCapability(status, "SYS_PTRACE")).toBe(true);
  expect(hasCapability(status, "NET_BIND_SERVICE")).toBe(true);
  expect(hasCapability(status.replace("281400", "080000"), "SYS_ADMIN")).toBe(false);
  expect(hasCapability("", "SYS_ADMIN")).toBe(false);
});

describe("PodPlan", () => {
  const plan = new PodPlan({ namespace: -1, address: "10.1.2.3" });
  const at = (address: string, port = 80) => ({
    address,
    port,
    family: address.includes(":") ? (6 as const) : (4 as const),
  });

  it("addresses are the kernel's own; wildcards as a destination are the loopback", () => {
    expect(plan.target(at("10.9.9.9")).endpoint).toEqual(at("10.9.9.9"));
    expect(plan.target(at("127.0.0.1"))).toEqual({ endpoint: at("127.0.0.1"), source: undefined });
    expect(plan.target(at("0.0.0.0")).endpoint).toEqual(at("127.0.0.1"));
    expect(plan.target(at("::")).endpoint).toEqual(at("::1"));
    expect(plan.target(at("::ffff:10.9.9.9")).endpoint).toEqual(at("10.9.9.9"));
    expect(plan.toGuest(at("::ffff:10.9.9.9"))).toEqual(at("10.9.9.9"));
    expect(plan.bind(at("::", 8080), false)).toEqual(["::"]);
    expect(plan.bind(at("127.0.0.7", 0), false)).toEqual(["127.0.0.7"]);
  });

  it("ports below 1024, or the namespace's own limit, are for processes with the right", () => {
    expect(plan.bind(at("0.0.0.0", 80), false)).toBe(ERRNO.EACCES);
    expect(plan.bind(at("0.0.0.0", 1024), false)).toEqual(["0.0.0.0"]);
    const network = { namespace: -1, address: "10.1.2.3", firstFreePort: 0 };
    expect(new PodPlan(network).bind(at("0.0.0.0", 80), false)).toEqual(["0.0.0.0"]);
    const root = new PodPlan({ ...network, firstFreePort: 1024, mayBindAll: true });
    expect(root.bind(at("0.0.0.0", 80), false)).toEqual(["0.0.0.0"]);
  });
});
