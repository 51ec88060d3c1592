/** Version of Outsock: the one of package.json, which programs that are bundled do not have. */
export const VERSION = "0.1.0";
