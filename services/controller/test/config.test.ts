import { describe, expect, test } from "vitest";
import { ConfigError, readControllerConfig, readUninstallConfig } from "../src/config.ts";

const ENV = { OUTSOCK_NAMESPACE: "sys", OUTSOCK_GUEST_IMAGE: "guest:1" };

describe("settings", () => {
  test("only what must be given, the rest is by default", () => {
    expect(readControllerConfig([], { ...ENV, OUTSOCK_POD_NAME: "p" })).toEqual({
      namespace: "sys",
      podName: "p",
      guestImage: "guest:1",
      webhookConfiguration: "outsock",
      webhookNames: [
        "outsock-controller.sys.svc",
        "outsock-controller.sys.svc.cluster.local",
        "outsock-controller.sys",
      ],
      certificateSecret: "outsock-controller-certificate",
      lease: "outsock-controller",
      excludedNamespaces: ["kube-system"],
      agentLabel: { name: "app.kubernetes.io/component", value: "agent" },
      agentPort: 9110,
      webhookPort: 9443,
      httpPort: 9111,
      logLevel: "info",
    });
  });

  test("a flag counts more than a variable", () => {
    expect(readControllerConfig(["--namespace", "other"], ENV).namespace).toBe("other");
  });

  test("uninstall needs no guest image", () => {
    const config = readUninstallConfig([], {
      OUTSOCK_NAMESPACE: "sys",
      OUTSOCK_UNINSTALL_TIMEOUT: "5",
    });
    expect(config.timeoutMs).toBe(5_000);
    expect(config.keepVirtualMachines).toBe(false);
  });

  test.each<[string, string[], NodeJS.ProcessEnv, RegExp]>([
    ["missing", [], {}, /OUTSOCK_NAMESPACE \(or --namespace\) is missing/],
    [
      "no port",
      [],
      { ...ENV, OUTSOCK_HTTP_PORT: "http" },
      /"http"; it must be a whole number from 0 to 65535/,
    ],
    [
      "no label",
      [],
      { ...ENV, OUTSOCK_AGENT_SELECTOR: "a in (b)" },
      /must be one label, key=value/,
    ],
    ["no level", [], { ...ENV, OUTSOCK_LOG_LEVEL: "loud" }, /"loud"; it may be fatal, error/],
    ["unknown flag", ["--nope"], ENV, /--nope/],
  ])("%s, the error says what to do", (_, args, env, message) => {
    expect(() => readControllerConfig(args, env)).toThrow(ConfigError);
    expect(() => readControllerConfig(args, env)).toThrow(message);
  });
});
