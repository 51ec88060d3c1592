/** The option `--workers`. */
const WORKERS_MAX = 64;

/** @throws Error, a sentence for the user */
export function parseWorkers(text: string): number {
  const workers = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (workers >= 1 && workers <= WORKERS_MAX) return workers;
  throw new Error(`--workers must be a number from 1 to ${WORKERS_MAX}, not "${text}"`);
}
