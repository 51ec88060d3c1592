import { readFileSync } from "node:fs";

/** JSON recorded with `kubectl get -o json --show-managed-fields` on Kubernetes 1.34. */
export function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), "utf8")) as T;
}
