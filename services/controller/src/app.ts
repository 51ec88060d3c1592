import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { Agents } from "./agents/guests.ts";
import { CertificateKeeper } from "./certificate/keeper.ts";
import type { Clock } from "./clock.ts";
import type { ControllerConfig } from "./config.ts";
import { type ApiServer, keyOf, pathOf, RESOURCES } from "./kube/api.ts";
import { EventRecorder } from "./kube/events.ts";
import { guarded, NotLeading } from "./kube/guarded-api.ts";
import { Informer } from "./kube/informer.ts";
import { type ElectionTimes, LeaderElection } from "./kube/leader.ts";
import { WorkQueue } from "./kube/work-queue.ts";
import { Metrics } from "./metrics.ts";
import { isGoing, trimPod, usesDriver } from "./pods/facts.ts";
import { PodIndex, vmOfPod } from "./pods/index-by-vm.ts";
import { Namespaces } from "./pods/namespaces.ts";
import { PodReconciler } from "./pods/reconciler.ts";
import type { Pod } from "./pods/types.ts";
import { UntouchedWatch } from "./pods/untouched.ts";
import { buildHttp, buildWebhook } from "./server.ts";
import { VirtualMachineReconciler } from "./vm/reconciler.ts";
import type { VirtualMachine, Workload } from "./vm/types.ts";
import { type AnnotatedWorkload, concernsMode, viewWorkload } from "./workload/plan.ts";
import { WORKLOADS, WorkloadReconciler, workloadKey } from "./workload/reconciler.ts";

interface ControllerOptions {
  api: ApiServer;
  clock: Clock;
  log: Logger;
  config: ControllerConfig;
  electionTimes?: ElectionTimes;
  /** The webhook cannot be served at all. */
  onFatal: (error: Error) => void;
  /** Where to listen; all interfaces by default. */
  host?: string;
}

export interface Controller {
  /** Resolves when HTTP is listening; the webhook follows when there is a certificate. */
  start(): Promise<{ httpPort: number }>;
  webhookPort(): number | undefined;
  isLeader(): boolean;
  /** Ends the work, gives the Lease back, answers what was asked, and stops listening. */
  stop(): Promise<void>;
}

export function buildController(options: ControllerOptions): Controller {
  const { api, clock, log, config } = options;
  const host = options.host ?? "::";
  const stopping = new AbortController();
  const leading = guarded(api, () => election.isLeader);
  const events = new EventRecorder({ api: leading, clock, log, instance: config.podName });

  // What the cluster has, cached on both replicas so that a new leader starts at once.
  const vms = new Informer<VirtualMachine>({
    api,
    clock,
    log,
    path: pathOf(RESOURCES.virtualMachines),
  });
  const pods = new Informer<Pod>({ api, clock, log, path: pathOf(RESOURCES.pods), trim: trimPod });
  const deployments = new Map<string, Workload>();
  const workloads = WORKLOADS.map((resource) => {
    const informer = new Informer<AnnotatedWorkload & { full?: Workload }>({
      api,
      clock,
      log,
      path: pathOf(resource),
      trim: (object) => {
        const workload = object as unknown as Workload;
        const view = viewWorkload(resource.kind, workload);
        const isVm = vmOfWorkload(view) !== undefined;
        const full = {
          metadata: view.metadata,
          spec: { template: {} },
          ...(workload.status ? { status: workload.status } : {}),
        };
        return isVm ? { ...view, full } : view;
      },
    });
    return { kind: resource.kind, informer };
  });
  const workload = (kind: string, key: string) =>
    workloads.find((candidate) => candidate.kind === kind)?.informer.get(key);
  const informers: Informer<never>[] = [vms, pods, ...workloads.map((w) => w.informer)] as never[];

  const index = new PodIndex(
    ({ metadata }) =>
      metadata.namespace === config.namespace &&
      metadata.labels?.[config.agentLabel.name] === config.agentLabel.value,
  );
  const agents = new Agents({ clock, log, port: config.agentPort, pods: () => index.agents() });

  const namespaces = new Namespaces({ api, clock, log, excluded: config.excludedNamespaces });

  const vmReconciler = new VirtualMachineReconciler({
    api: leading,
    clock,
    events,
    agents,
    namespaces,
    guestImage: config.guestImage,
    vms,
    deployments,
    podsOf: (vm) => index.of(keyOf(vm)),
  });
  const workloadReconciler = new WorkloadReconciler({ api: leading, events, get: workload });
  const podReconciler = new PodReconciler({
    clock,
    events,
    agents,
    namespaces,
    get: (key) => pods.get(key),
    workload,
  });

  const queue = (kind: string, work: (key: string) => Promise<number | undefined>) => {
    const made: WorkQueue = new WorkQueue({
      clock,
      work: async (key) => {
        const again = await work(key);
        if (again !== undefined) made.addAfter(key, again);
        metrics.reconciles.inc({ kind, result: "done" });
      },
      onError: (key, err) => {
        metrics.reconciles.inc({ kind, result: "failed" });
        if (err instanceof NotLeading) return;
        log.warn({ err, kind, key }, "trying again later");
      },
    });
    return made;
  };
  const queues = {
    virtualMachine: queue("VirtualMachine", (key) => vmReconciler.reconcile(key)),
    workload: queue("Workload", async (key) => {
      await workloadReconciler.reconcile(key);
      return undefined;
    }),
    pod: queue("Pod", (key) => podReconciler.reconcile(key)),
  };

  vms.onChange((now, before) => queues.virtualMachine.add(keyOf((now ?? before)!)));
  for (const { informer } of workloads) {
    informer.onChange((now, before) => {
      const changed = (now ?? before)!;
      const key = keyOf(changed);
      if (changed.kind === RESOURCES.deployments.kind) {
        if (now?.full) deployments.set(key, now.full);
        else deployments.delete(key);
      }
      const vm = vmOfWorkload(changed);
      if (vm !== undefined) queues.virtualMachine.add(vm);
      else if (now && concernsMode(now)) queues.workload.add(workloadKey(now));
    });
  }
  pods.onChange((now, before) => {
    index.change(now, before);
    const pod = (now ?? before)!;
    const vm = vmOfPod(pod);
    if (vm !== undefined) queues.virtualMachine.add(vm);
    if (now && isOfInterest(now)) queues.pod.add(keyOf(now));
  });

  const election = new LeaderElection({
    api,
    clock,
    log,
    namespace: config.namespace,
    name: config.lease,
    identity: config.podName,
    ...(options.electionTimes ? { times: options.electionTimes } : {}),
    lead: async (lost) => {
      await Promise.race([Promise.all(informers.map(({ synced }) => synced)), aborted(lost)]);
      if (lost.aborted) return;
      for (const one of Object.values(queues)) one.start();
      for (const vm of vms.list()) queues.virtualMachine.add(keyOf(vm));
      for (const { informer } of workloads) {
        for (const one of informer.list()) {
          if (concernsMode(one)) queues.workload.add(workloadKey(one));
        }
      }
      for (const pod of pods.list()) if (isOfInterest(pod)) queues.pod.add(keyOf(pod));
      await untouched.run(lost);
      await Promise.all(Object.values(queues).map((one) => one.stop()));
    },
  });

  const metrics = new Metrics(
    () => election.isLeader,
    () => Object.fromEntries(Object.entries(queues).map(([kind, one]) => [kind, one.depth])),
  );
  const untouched = new UntouchedWatch({
    clock,
    log,
    events,
    agents,
    pods: () => pods.list(),
    onCount: (containers) => metrics.untouched.set(containers),
  });
  let webhook: (FastifyInstance & { server: import("node:https").Server }) | undefined;
  let listening = false;
  const keeper = new CertificateKeeper({
    api,
    clock,
    log,
    namespace: config.namespace,
    secret: config.certificateSecret,
    configuration: config.webhookConfiguration,
    names: config.webhookNames,
    serve: (certificate) => {
      if (webhook) {
        webhook.server.setSecureContext(certificate);
        return;
      }
      webhook = buildWebhook(certificate, metrics, log);
      webhook.listen({ host, port: config.webhookPort }).then(() => {
        listening = true;
        log.info("the webhook is served");
      }, options.onFatal);
    },
  });
  const http = buildHttp({
    metrics,
    missing: () => {
      if (stopping.signal.aborted) return "stopping";
      if (!keeper.isServing || !listening) return "no certificate for the webhook yet";
      if (informers.some(({ isSynced }) => !isSynced))
        return "the cluster's objects are not read yet";
      return undefined;
    },
  });

  let work: Promise<unknown> = Promise.resolve();
  return {
    async start() {
      await http.listen({ host, port: config.httpPort });
      const { signal } = stopping;
      work = Promise.all([
        ...informers.map((informer) => informer.run(signal)),
        keeper.run(() => election.isLeader, signal),
        election.run(signal),
      ]);
      return { httpPort: (http.server.address() as AddressInfo).port };
    },
    webhookPort: () =>
      listening ? (webhook?.server.address() as AddressInfo | null)?.port : undefined,
    isLeader: () => election.isLeader,
    async stop() {
      stopping.abort();
      await work;
      await webhook?.close();
      await http.close();
    },
  };
}

/** Pods that there may be something to say about. */
function isOfInterest(pod: Pod): boolean {
  return (
    !isGoing(pod) && (usesDriver(pod) || Object.keys(pod.metadata.annotations ?? {}).length > 0)
  );
}

/** `namespace/name` of the VirtualMachine that a workload belongs to. */
function vmOfWorkload({ metadata }: AnnotatedWorkload): string | undefined {
  const owner = metadata.ownerReferences?.find(
    ({ kind, controller }) => controller && kind === RESOURCES.virtualMachines.kind,
  );
  return owner && `${metadata.namespace ?? ""}/${owner.name}`;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
