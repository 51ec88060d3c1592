// Makes a table in PostgreSQL, fills it and asks for a sum.
import pg from "pg";

const pool = new pg.Pool({ connectionString: process.argv[2], max: 4 });
await pool.query("create table if not exists numbers (n int)");
await pool.query("truncate numbers");
await pool.query("insert into numbers select generate_series(1, 1000)");
const { rows } = await pool.query("select sum(n)::int as sum from numbers");
await pool.end();
console.log(JSON.stringify(rows[0]));
