// An undici pool asks a hundred times over eight connections.
import { Pool } from "undici";

const pool = new Pool(process.argv[2], { connections: 8 });
const answers = await Promise.all(
  Array.from({ length: 100 }, async () => {
    const { statusCode, body } = await pool.request({ path: "/", method: "GET" });
    await body.text();
    return statusCode;
  }),
);
await pool.close();
console.log(`${answers.filter((code) => code === 200).length} answers`);
