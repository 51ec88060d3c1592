export { buildController, type Controller } from "./app.ts";
export { type ControllerConfig, readControllerConfig } from "./config.ts";
