import type { Logger } from "pino";
import { type Clock, pause } from "../clock.ts";
import { type ApiServer, isStatus, type KubeObject, pathOf, RESOURCES } from "../kube/api.ts";
import { issueServing, LIFETIMES, type Lifetimes, makeAuthority } from "./issue.ts";
import { isTrusted, nextStep, pruneBundle, type Stored, sameBundle, splitBundle } from "./plan.ts";

interface Secret extends KubeObject {
  data?: Record<string, string>;
}

interface WebhookConfiguration extends KubeObject {
  webhooks?: { name: string; clientConfig: { caBundle?: string } }[];
}

interface KeeperOptions {
  api: ApiServer;
  clock: Clock;
  log: Logger;
  namespace: string;
  secret: string;
  configuration: string;
  /** DNS names of the Service. */
  names: readonly string[];
  lifetimes?: Lifetimes;
  /** Called with what is to be served from now on. */
  serve: (certificate: { cert: string; key: string }) => void;
}

const FIRST_MS = 1_000;
const LEADER_MS = 15_000;
const OTHER_MS = 30_000;
/** Steps of one look: a first start takes three. */
const STEPS = 6;

/** Keeps the Secret and the webhook's `caBundle` in order, and serves what the Secret holds. */
export class CertificateKeeper {
  private readonly options: KeeperOptions;
  private served = "";
  private publishedSeen: { bundle: string; since: number } | undefined;

  constructor(options: KeeperOptions) {
    this.options = options;
  }

  /** Whether something is served that the API server trusts. */
  get isServing(): boolean {
    return this.served !== "";
  }

  /** Looks again and again until `signal` aborts; `leads` tells whether this replica may write. */
  async run(leads: () => boolean, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.options;
    while (!signal.aborted) {
      let wait = leads() ? LEADER_MS : OTHER_MS;
      try {
        await this.look(leads());
      } catch (error) {
        // Another replica wrote first, or the API server is away: both pass.
        log.warn({ err: error }, "the certificates could not be looked after, trying again");
        wait = FIRST_MS * 3;
      }
      await pause(clock, this.isServing ? wait : FIRST_MS, signal);
    }
  }

  /** One look; `write` makes what is missing. */
  async look(write: boolean): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      const { secret, stored } = await this.readSecret();
      const configuration = await this.readConfiguration();
      const published = configuration && bundleOf(configuration);
      if (stored && isTrusted(stored, published)) this.serve(stored);
      if (!write) return;
      if (!(await this.improve(secret, stored, configuration, published))) return;
    }
  }

  /** Does the next step; false when there is none. */
  private async improve(
    secret: Secret,
    stored: Stored | undefined,
    configuration: WebhookConfiguration | undefined,
    published: string | undefined,
  ): Promise<boolean> {
    const { clock, log, names, lifetimes = LIFETIMES } = this.options;
    const now = clock.now();
    if (published !== undefined && this.publishedSeen?.bundle !== published) {
      this.publishedSeen = { bundle: published, since: now };
    }
    const publishedSince = this.publishedSeen?.since ?? now;
    const step = nextStep({ stored, published, publishedSince, names, now });
    if (step === "nothing") return false;
    log.info({ step }, "webhook certificates");
    switch (step) {
      case "make-all": {
        const authority = await makeAuthority(now, lifetimes);
        const serving = await issueServing(authority, names, now, lifetimes);
        await this.writeSecret(secret, {
          authorities: authority.certificate,
          authorityKey: authority.key,
          certificate: serving.certificate,
          certificateKey: serving.key,
        });
        return true;
      }
      case "make-authority": {
        const authority = await makeAuthority(now, lifetimes);
        await this.writeSecret(secret, {
          ...stored!,
          authorities: bundle(authority.certificate, pruneBundle(stored!.authorities, now)),
          authorityKey: authority.key,
        });
        return true;
      }
      case "prune":
        await this.writeSecret(secret, {
          ...stored!,
          authorities: pruneBundle(stored!.authorities, now),
        });
        return true;
      case "publish":
        await this.publish(configuration!, stored!.authorities);
        return true;
      case "issue": {
        const [newest] = splitBundle(stored!.authorities);
        const authority = { certificate: newest!, key: stored!.authorityKey };
        const serving = await issueServing(authority, names, now, lifetimes);
        await this.writeSecret(secret, {
          ...stored!,
          certificate: serving.certificate,
          certificateKey: serving.key,
        });
        return true;
      }
    }
  }

  private serve(stored: Stored): void {
    if (this.served === stored.certificate) return;
    this.options.serve({ cert: stored.certificate, key: stored.certificateKey });
    this.served = stored.certificate;
  }

  private async readSecret(): Promise<{ secret: Secret; stored: Stored | undefined }> {
    const { api, namespace, secret: name } = this.options;
    const secret = await api.get<Secret>(pathOf(RESOURCES.secrets, namespace, name));
    const text = (key: string) => Buffer.from(secret.data?.[key] ?? "", "base64").toString();
    const stored = {
      authorities: text("ca.crt"),
      authorityKey: text("ca.key"),
      certificate: text("tls.crt"),
      certificateKey: text("tls.key"),
    };
    return { secret, stored: stored.authorities === "" ? undefined : stored };
  }

  private async writeSecret(secret: Secret, stored: Stored): Promise<void> {
    const { api, namespace, secret: name } = this.options;
    const data = Object.fromEntries(
      Object.entries({
        "ca.crt": stored.authorities,
        "ca.key": stored.authorityKey,
        "tls.crt": stored.certificate,
        "tls.key": stored.certificateKey,
      }).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
    );
    // The version that was read goes along: of two writers one loses.
    await api.update(pathOf(RESOURCES.secrets, namespace, name), {
      ...secret,
      data: { ...secret.data, ...data },
    });
  }

  private async readConfiguration(): Promise<WebhookConfiguration | undefined> {
    const { api, configuration } = this.options;
    try {
      return await api.get(pathOf(RESOURCES.webhooks, undefined, configuration));
    } catch (error) {
      if (isStatus(error, 404)) return undefined;
      throw error;
    }
  }

  private async publish(configuration: WebhookConfiguration, authorities: string): Promise<void> {
    const { api, configuration: name } = this.options;
    const value = Buffer.from(authorities).toString("base64");
    const patch = (configuration.webhooks ?? []).flatMap((webhook, i) => [
      { op: "test", path: `/webhooks/${i}/name`, value: webhook.name },
      { op: "add", path: `/webhooks/${i}/clientConfig/caBundle`, value },
    ]);
    await api.patch(pathOf(RESOURCES.webhooks, undefined, name), "json", patch);
  }
}

/** What all webhooks of the configuration have; empty when they differ. */
function bundleOf({ webhooks = [] }: WebhookConfiguration): string {
  const bundles = webhooks.map(({ clientConfig }) =>
    Buffer.from(clientConfig.caBundle ?? "", "base64").toString(),
  );
  const [first = ""] = bundles;
  return bundles.every((other) => sameBundle(other, first)) ? first : "";
}

function bundle(...parts: string[]): string {
  return parts.flatMap(splitBundle).join("");
}
