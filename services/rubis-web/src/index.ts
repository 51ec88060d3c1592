export { buildWeb } from "./app.ts";
export { type Application, connectApplication } from "./application.ts";
