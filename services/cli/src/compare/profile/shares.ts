/** What a tier's processor time went to, from its CPU profile. */

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
}

/** As V8 writes it; times in microseconds of the system's monotonic clock. */
export interface CpuProfile {
  readonly startTime: number;
  readonly nodes: readonly {
    readonly id: number;
    readonly children?: readonly number[];
    readonly callFrame: CallFrame;
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** In the order of the table. */
export const CATEGORIES = [
  "sockets",
  "HTTP",
  "database",
  "SQL protocol",
  "rendering",
  "JSON",
  "framework",
  "garbage",
  "other",
] as const;
export type Category = (typeof CATEGORIES)[number];

export const CATEGORY_MEANINGS: Readonly<Record<Category, string>> = {
  sockets: "system calls, libuv, node:net, streams and buffers: what an outsourced socket replaces",
  HTTP: "node:http above the sockets: parser, headers, agent",
  database: "SQLite",
  "SQL protocol": "PostgreSQL's protocol around it; in the application tier, the driver pg",
  rendering: "templates",
  JSON: "making and parsing it",
  framework: "fastify: routing, hooks, validation, replies",
  garbage: "garbage collection on the main thread",
  other: "the tier's own code, timers, promises, module loading",
};

interface Rule {
  readonly category: Category;
  /** Matched with "function url". */
  readonly frame: RegExp;
}

/** The first that matches counts. A frame that none matches counts as its caller does. */
const RULES: readonly Rule[] = [
  { category: "garbage", frame: /^\(garbage collector\) / },
  // Native code without a caller: libuv, which reads, writes what waited, and polls.
  { category: "sockets", frame: /^\(program\) / },
  { category: "HTTP", frame: / node:(_http_|http|internal\/http|internal\/url|url|querystring)/ },
  {
    category: "sockets",
    frame:
      / node:(net|dgram|_stream|stream|internal\/(streams|stream_base_commons|net|js_stream_socket|buffer)|buffer)\b/,
  },
  { category: "JSON", frame: /^(parse|ask) .*\/rubis-web\/dist\/application\.js$/ },
  { category: "JSON", frame: /node_modules\/(fast-json-stringify|secure-json-parse|fast-uri)\// },
  // What fast-json-stringify and ajv compile has no file.
  { category: "JSON", frame: /^(anonymous\d+|main|serialize|validate\d*|JSON\S*) $/ },
  { category: "rendering", frame: /node_modules\/eta\/|\/rubis-web\/dist\/(views|pages)/ },
  { category: "database", frame: /node_modules\/@?libsql\/|\/rubis-db\/dist\/engine\// },
  { category: "SQL protocol", frame: /node_modules\/(pg|pg-[a-z]+|postgres-[a-z]+)\// },
  { category: "SQL protocol", frame: /\/rubis-db\/dist\/(session|sql|wire|app)/ },
  { category: "framework", frame: /node_modules\// },
  { category: "other", frame: / (node:|file:)/ },
];

const IDLE = "(idle)";

export interface Shares {
  readonly busyMs: number;
  /** Of the busy time; they sum to 1. */
  readonly shares: Readonly<Record<Category, number>>;
}

/** Categories of all nodes, from the root down. */
function categoriesOf(profile: CpuProfile): Map<number, Category> {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const categories = new Map<number, Category>();
  const root = profile.nodes[0];
  const waiting: [number, Category][] = root === undefined ? [] : [[root.id, "other"]];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [id, caller] = next;
    const node = nodes.get(id);
    if (node === undefined) continue;
    const { functionName, url } = node.callFrame;
    const text = `${functionName} ${url}`;
    const category = RULES.find(({ frame }) => frame.test(text))?.category ?? caller;
    categories.set(id, category);
    for (const child of node.children ?? []) waiting.push([child, category]);
  }
  return categories;
}

/** Shares of the busy time within a stretch of the monotonic clock, microseconds. */
export function sharesOf(profile: CpuProfile, fromUs: number, toUs: number): Shares {
  const categories = categoriesOf(profile);
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame.functionName]));
  const times = Object.fromEntries(CATEGORIES.map((category) => [category, 0])) as Record<
    Category,
    number
  >;
  let at = profile.startTime;
  let busy = 0;
  for (const [i, id] of profile.samples.entries()) {
    const time = profile.timeDeltas[i] ?? 0;
    at += time;
    if (at < fromUs || at > toUs || names.get(id) === IDLE) continue;
    busy += time;
    times[categories.get(id) ?? "other"] += time;
  }
  for (const category of CATEGORIES) times[category] = busy === 0 ? 0 : times[category] / busy;
  return { busyMs: busy / 1000, shares: times };
}
