/** JSON schemas of the requests, in pieces. What is required and of the wrong form is a 400. */
export const id = { type: "integer", minimum: 1, maximum: 2147483647 } as const;
export const text = { type: "string", minLength: 1, maxLength: 200 } as const;
export const count = { type: "integer", minimum: -2147483648, maximum: 2147483647 } as const;
export const price = { type: "number", minimum: -1e12, maximum: 1e12 } as const;

export const credentials = { nickname: text, password: text } as const;

export function object<P extends Record<string, unknown>>(properties: P, optional: string[] = []) {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: "object", properties, required, additionalProperties: false } as const;
}
