/**
 * What a client reads off a page of the web tier: links, identifiers, hidden form fields. Regular
 * expressions are enough for pages that we generate ourselves, and cost the load generator, which
 * shares the machine with what it measures, a tenth of an HTML parser.
 */

const ENTITIES: Readonly<Record<string, string>> = {
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&#39;": "'",
};

function unescapeHtml(text: string): string {
  return text.includes("&")
    ? text.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity] ?? entity)
    : text;
}

/** The page says that the action cannot be done. */
export function isSorry(html: string): boolean {
  return html.includes("Sorry");
}

/** Targets of the links to one path, in the order of the page. */
export function linksTo(html: string, path: string): string[] {
  const found: string[] = [];
  const opening = `href="${path}?`;
  for (let at = html.indexOf(opening); at >= 0; at = html.indexOf(opening, at + 1)) {
    const start = at + 'href="'.length;
    const end = html.indexOf('"', start);
    if (end < 0) break;
    found.push(unescapeHtml(html.slice(start, end)));
  }
  return found;
}

/** The different numbers that links of the page give to a parameter. */
export function numbersOf(html: string, parameter: string): number[] {
  const found = new Set<number>();
  for (const match of html.matchAll(new RegExp(`[?&;]${parameter}=(\\d+)`, "g"))) {
    found.add(Number(match[1]));
  }
  return [...found];
}

/** The parameter of a query, decoded. */
export function queryValue(target: string, parameter: string): string | undefined {
  const match = new RegExp(`[?&]${parameter}=([^&#]*)`).exec(target);
  return match === null ? undefined : decodeURIComponent((match[1] ?? "").replaceAll("+", " "));
}

function attribute(tag: string, name: string): string | undefined {
  const match = new RegExp(`\\s${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s>]+))`, "i").exec(tag);
  return match === null ? undefined : unescapeHtml(match[1] ?? match[2] ?? match[3] ?? "");
}

/** Hidden fields of the form that posts to a path; undefined when the page has no such form. */
export function hiddenFields(html: string, action: string): Map<string, string> | undefined {
  for (const form of html.matchAll(/<form\b[^>]*>[\s\S]*?<\/form>/gi)) {
    if (attribute(form[0].slice(0, form[0].indexOf(">") + 1), "action") !== action) continue;
    const fields = new Map<string, string>();
    for (const [input] of form[0].matchAll(/<input\b[^>]*>/gi)) {
      const name = attribute(input, "name");
      if (name !== undefined && attribute(input, "type")?.toLowerCase() === "hidden") {
        fields.set(name, attribute(input, "value") ?? "");
      }
    }
    return fields;
  }
  return undefined;
}
