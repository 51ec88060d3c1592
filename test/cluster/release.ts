/** The one release of the chart on the cluster: found, or made. */
import { helm, type KubeObject, kubectl, list, ROOT } from "./kubectl.ts";
import { until } from "./until.ts";

const RELEASE = "outsock";
const NAMESPACE = "outsock-system";
const CHART = `${ROOT}charts/outsock`;

export interface Release {
  name: string;
  namespace: string;
}

/** The release of our chart that is there, whoever made it. */
export async function findRelease(): Promise<Release | undefined> {
  const all = JSON.parse(await helm(["list", "-A", "-a", "-o", "json"])) as {
    name: string;
    namespace: string;
    chart: string;
    status: string;
  }[];
  const ours = all.find(({ chart }) => /^outsock-\d/.test(chart));
  if (ours !== undefined && ours.status !== "deployed") {
    throw new Error(`release ${ours.name} in ${ours.namespace} is ${ours.status}, not deployed`);
  }
  return ours && { name: ours.name, namespace: ours.namespace };
}

/** Installs the chart as the README does, and waits until all of it is ready. */
export async function install(...words: string[]): Promise<Release> {
  await helm([
    ...["install", RELEASE, CHART, "-n", NAMESPACE, "--create-namespace"],
    ...["--wait", "--timeout", "5m", ...words],
  ]);
  return { name: RELEASE, namespace: NAMESPACE };
}

/** A release that is ready: that which is there, or one that this makes. */
export async function ensureRelease(): Promise<Release> {
  const release = (await findRelease()) ?? (await install());
  await ready(release);
  return release;
}

export async function ready({ name, namespace }: Release): Promise<void> {
  for (const what of [`daemonset/${name}-agent`, `deployment/${name}-controller`]) {
    const words = ["-n", namespace, "rollout", "status", what, "--timeout=240s"];
    await kubectl(words, { timeout: 250_000 });
  }
  await until("the webhook has its certificate", async () => {
    const label = `app.kubernetes.io/instance=${name}`;
    const [found] = await list("mutatingwebhookconfigurations", "-l", label);
    return Boolean(found?.webhooks?.[0]?.clientConfig?.caBundle);
  });
}

/** Takes the images that were loaded anew into use. */
export async function restart(release: Release): Promise<void> {
  const { name, namespace } = release;
  const what = [`daemonset/${name}-agent`, `deployment/${name}-controller`];
  await kubectl(["-n", namespace, "rollout", "restart", ...what]);
  await ready(release);
}

export async function uninstall({ name, namespace }: Release, ...words: string[]): Promise<void> {
  await helm(["uninstall", name, "-n", namespace, "--wait", "--timeout", "6m", ...words]);
}

export const agentPods = ({ namespace }: Release): Promise<KubeObject[]> =>
  list("pods", "-n", namespace, "-l", "app.kubernetes.io/component=agent");

export const controllerPods = ({ namespace }: Release): Promise<KubeObject[]> =>
  list("pods", "-n", namespace, "-l", "app.kubernetes.io/component=controller");

/** What an agent says of a container with guests. */
export interface GuestStatus {
  namespace: string;
  pod: string;
  uid: string;
  container: string;
  mode: string;
  address: string;
  processes: number;
  connections: number;
  shortcut: { connections: number; bytes: number };
  relay: { connections: number; bytes: number };
  reasons: Record<string, number>;
}

const ASK = `fetch("http://127.0.0.1:9110/guests").then((r) => r.text()).then(console.log)`;

/** What all agents say of the guests in a namespace. */
export async function guests(release: Release, namespace: string): Promise<GuestStatus[]> {
  const answers = await Promise.all(
    (await agentPods(release)).map(({ metadata }) =>
      kubectl([
        ...["-n", release.namespace, "exec", metadata.name, "-c", "agent"],
        ...["--", "node", "-e", ASK],
      ]),
    ),
  );
  return answers
    .flatMap((text) => JSON.parse(text) as GuestStatus[])
    .filter((guest) => guest.namespace === namespace);
}
