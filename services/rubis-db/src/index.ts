export { buildServer, type DatabaseServer, type ServerOptions } from "./app.ts";
export { Engine } from "./engine/engine.ts";
export { sizes, type DataSetOptions } from "./loader/dataset.ts";
export { moveReference, writeSqlite } from "./loader/sqlite-file.ts";
