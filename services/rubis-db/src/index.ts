export { buildServer, type DatabaseServer, type ServerOptions } from "./app.ts";
export { Engine } from "./engine/engine.ts";
export { type DataSetOptions, sizes } from "./loader/dataset.ts";
export { moveReference, writeSqlite } from "./loader/sqlite-file.ts";
