const express = require("express");

const app = express();
app.use(express.json());
app.get("/", (request, response) => response.json({ framework: "express", ip: request.ip }));
app.post("/echo", (request, response) => response.json(request.body));
const server = app.listen(8080);
process.on("SIGTERM", () => server.close(() => process.exit(0)));
