/** RUBiS of the release: brought up in a mode, asked from here, and loaded from within the cluster. */
import { type Exchange, loadCatalogue, loadTable, replayCoverage } from "@outsock/loadtest";
import { find, helm, kubectl, list, ROOT, start } from "./kubectl.ts";
import { container } from "./objects.ts";
import type { Release } from "./release.ts";
import { until } from "./until.ts";

const LOADTEST = "outsock/loadtest";

export interface Site {
  mode: "native" | "outsourced";
  placement: "one-node" | "spread";
  /** Fixed clock, ISO 8601. */
  now?: string;
}

async function upgrade({ name, namespace }: Release, ...settings: string[]): Promise<void> {
  await helm([
    ...["upgrade", name, `${ROOT}charts/outsock`, "-n", namespace, "--reuse-values"],
    ...["--wait", "--timeout", "5m", ...settings.flatMap((it) => ["--set", it])],
  ]);
}

/** Takes the site away, with its data. */
export async function takeDown(release: Release): Promise<void> {
  await upgrade(release, "rubis.enabled=false");
  await until("no tier is left", async () => {
    const pods = await list("pods", "-n", release.namespace);
    return !pods.some(({ metadata }) => metadata.name.startsWith(`${release.name}-rubis-`));
  });
}

/** Brings the site up with fresh data. */
export async function bringUp(release: Release, { mode, placement, now }: Site): Promise<void> {
  await takeDown(release);
  await upgrade(
    release,
    "rubis.enabled=true",
    `rubis.mode=${mode}`,
    `rubis.placement=${placement}`,
    `rubis.now=${now ?? ""}`,
  );
}

/** Forwards a port to the web tier while `work` runs. */
export async function reached<T>(
  { name, namespace }: Release,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const words = ["-n", namespace, "port-forward", `service/${name}-rubis-web`, ":80"];
  const forward = start("kubectl", words);
  try {
    const port = await until("it forwards", () => /127\.0\.0\.1:(\d+)/.exec(forward.output())?.[1]);
    const url = `http://127.0.0.1:${port}`;
    await until("the first page", async () => (await fetch(`${url}/BrowseCategories`)).ok);
    return await work(url);
  } finally {
    await forward.stop();
  }
}

/** Pages of every state, by one client in order. */
export async function everyState(url: string): Promise<Exchange[]> {
  const exchanges: Exchange[] = [];
  const table = loadTable("bidding");
  const catalogue = loadCatalogue(1);
  for await (const exchange of replayCoverage({ url, table, catalogue, seed: 42 })) {
    exchanges.push(exchange);
  }
  return exchanges;
}

export interface LoadSummary {
  interactions: number;
  errors: number;
  errorSamples: string[];
  /** Interactions a second. */
  throughput: number;
}

/** Loads the site from a pod of the release's namespace, without think time. */
export async function load(
  { name, namespace }: Release,
  version: string,
  interactions: number,
  clients: number,
  seconds: number,
): Promise<LoadSummary> {
  await kubectl(["-n", namespace, "delete", "pod", "e2e-load", "--ignore-not-found"]);
  const args = Object.entries({
    url: `http://${name}-rubis-web`,
    clients,
    seconds,
    up: 0,
    down: 0,
    think: 0,
    interactions,
  }).flatMap(([option, value]) => [`--${option}`, String(value)]);
  const made = container("load", { image: `${LOADTEST}:${version}` });
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace, name: "e2e-load", labels: { "outsock.dev/inject": "disabled" } },
    spec: {
      restartPolicy: "Never",
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 1000,
        seccompProfile: { type: "RuntimeDefault" },
      },
      containers: [{ ...made, args: [...args, "--json"] }],
    },
  };
  await kubectl(["apply", "-f", "-"], { input: JSON.stringify(pod) });
  try {
    await until(
      "the load is over",
      async () => {
        const phase = (await find("pod", "e2e-load", namespace))?.status?.phase;
        return phase === "Succeeded" || phase === "Failed";
      },
      { timeout: (seconds + 120) * 1000 },
    );
    const said = await kubectl(["-n", namespace, "logs", "e2e-load"]);
    return JSON.parse(said.slice(said.indexOf("{"))) as LoadSummary;
  } finally {
    await kubectl(["-n", namespace, "delete", "pod", "e2e-load", "--wait=false"]);
  }
}
