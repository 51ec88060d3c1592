/** The three tiers of RUBiS, natively or as guests. */
import { join } from "node:path";
import { freePort, type Sandbox, tier } from "./sandbox.ts";
import { until } from "./wait.ts";

export interface SiteOptions {
  /** Plain `node` instead of guests. */
  native?: boolean;
  /** Words before each tier's command. */
  prefix?: readonly string[];
  env?: NodeJS.ProcessEnv;
}

const TIERS = ["db", "app", "web"] as const;
const PORTS = { db: 5432, app: 3000, web: 8080 };

/** Boots the tiers; resolves with the site's origin once the first page is answered. */
export async function bootSite(box: Sandbox, options: SiteOptions = {}): Promise<string> {
  const { native = false, prefix = [] } = options;
  const published = await freePort();
  let reach = "";
  for (const name of TIERS) {
    const env = {
      TMPDIR: box.directory,
      RUBIS_CACHE: join(box.directory, "cache"),
      HOST: native ? "127.0.0.1" : "0.0.0.0",
      PORT: native ? "0" : String(PORTS[name]),
      DATABASE_URL: reach,
      APP_URL: reach,
      ...options.env,
    };
    const publish = name === "web" ? ["--publish", `${published}:${PORTS.web}`] : [];
    const process = native
      ? box.native(tier(name), { env, prefix })
      : box.guest(tier(name), { options: ["--name", name, ...publish], env, prefix });
    const [, port] = await process.printed(/listening on \S*?:(\d+)/i, 90_000);
    const host = native ? "127.0.0.1" : name;
    reach =
      name === "db" ? `postgres://rubis:rubis@${host}:${port}/rubis` : `http://${host}:${port}`;
  }
  const url = native ? reach : `http://127.0.0.1:${published}`;
  await until("the first page", async () => {
    const response = await fetch(`${url}/BrowseCategories`).catch(() => undefined);
    return response?.ok === true;
  });
  return url;
}
