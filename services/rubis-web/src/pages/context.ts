import type { Application } from "../application.ts";
import type { Parameters } from "../parameters.ts";

/** A page to show: the view and what it shows. */
export interface Page {
  view: string;
  data: object;
}

/** One interaction: from the parameters to a page, by way of the application tier or without it. */
export type Interaction = (given: Parameters, application: Application) => Promise<Page> | Page;

export function page(view: string, title: string, data: object = {}): Page {
  return { view, data: { title, ...data } };
}
