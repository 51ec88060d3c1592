// Loaded first, makes this Node look like an old one.
const versions = { ...process.versions, node: "18.20.4" };
Object.defineProperty(process, "versions", { value: versions });
