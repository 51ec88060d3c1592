import { SorryError } from "./application.ts";

/** What came with the request: of the address, and of a form's body. */
export type Given = Readonly<Record<string, unknown>>;

/**
 * Reads the parameters of one interaction. What is missing or wrong makes a "Sorry" page that
 * names the field, as in the original.
 */
export class Parameters {
  readonly #given: Given;

  constructor(given: Given) {
    this.#given = given;
  }

  /** A value that was given twice counts once: the first. */
  optional(name: string): string | null {
    const value = this.#given[name];
    const one: unknown = Array.isArray(value) ? value[0] : value;
    return typeof one === "string" && one.trim() !== "" ? one.trim() : null;
  }

  text(name: string, title: string, longest: number): string {
    const value = this.optional(name);
    if (value === null) throw new SorryError(`you must provide ${title}.`);
    // By code point, as the database counts.
    if (Array.from(value).length > longest)
      throw new SorryError(`${title} must not be longer than ${longest} characters.`);
    if (value.includes("\0"))
      throw new SorryError(`${title} holds a character that cannot be stored.`);
    return value;
  }

  integer(name: string, title: string, low: number, high = 2147483647): number {
    const value = this.optional(name);
    if (value === null) throw new SorryError(`you must provide ${title}.`);
    const n = Number(value);
    if (!/^-?\d{1,10}$/.test(value) || n < low || n > high)
      throw new SorryError(`${title} must be a whole number from ${low} to ${high}.`);
    return n;
  }

  id(name: string, title: string): number {
    return this.integer(name, title, 1);
  }

  /** Zero when it is not given. */
  price(name: string, title: string): number {
    const value = this.optional(name);
    if (value === null) return 0;
    const n = Number(value);
    if (!/^-?\d{1,10}(\.\d{1,6})?$/.test(value)) throw new SorryError(`${title} must be a number.`);
    return n;
  }

  requiredPrice(name: string, title: string): number {
    if (this.optional(name) === null) throw new SorryError(`you must provide ${title}.`);
    return this.price(name, title);
  }

  credentials(): { nickname: string; password: string } {
    return {
      nickname: this.text("nickname", "your nickname", 200),
      password: this.text("password", "your password", 200),
    };
  }
}
