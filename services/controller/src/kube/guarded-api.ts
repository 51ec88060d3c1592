import type { ApiServer } from "./api.ts";

/** The Lease is another's by now, or is about to be. */
export class NotLeading extends Error {
  override name = "NotLeading";

  constructor() {
    super("This replica does not lead any more.");
  }
}

/**
 * Lets nothing be written by a replica that does not lead. A write that is under way at the end of
 * a term is given up (rest.ts) before another replica may lead.
 */
export function guarded(api: ApiServer, leads: () => boolean): ApiServer {
  const check = () => {
    if (!leads()) throw new NotLeading();
  };
  return {
    get: (path, query) => api.get(path, query),
    watch: (path, query, onEvent, signal) => api.watch(path, query, onEvent, signal),
    async create(path, body) {
      check();
      return api.create(path, body);
    },
    async update(path, body) {
      check();
      return api.update(path, body);
    },
    async patch(path, kind, body, query) {
      check();
      return api.patch(path, kind, body, query);
    },
    async delete(path, body) {
      check();
      return api.delete(path, body);
    },
  };
}
