import { formatTimestamp } from "../wire/types.ts";
import { type Cell, type DataSetOptions, generate } from "./dataset.ts";
import { createIndexes, createTable, tables } from "./schema.ts";

function copyField(cell: Cell): string {
  if (typeof cell === "number") return String(cell);
  return cell.replace(
    /[\\\n\r\t]/g,
    (c) => ({ "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" })[c] ?? c,
  );
}

/**
 * The data set as a script for `psql`: tables, one COPY each, indexes, sequences. The rows of the
 * tables come mixed from the generator, so it runs once for each table: no memory is needed, and
 * the same seed gives the same rows each time.
 */
export function writeDump(options: DataSetOptions, write: (text: string) => void): void {
  write(
    `-- RUBiS data set: scale ${options.scale}, seed ${options.seed}, now = ${formatTimestamp(options.reference)}\n`,
  );
  write(
    "\\set ON_ERROR_STOP on\nBEGIN;\nSET client_encoding = 'UTF8';\nSET client_min_messages = warning;\n",
  );
  for (const { name } of tables) write(`DROP TABLE IF EXISTS ${name};\n`);
  for (const table of tables) {
    write(`${createTable(table, "postgresql")};\n`);
    write(`COPY ${table.name} FROM stdin;\n`);
    let lines: string[] = [];
    generate(options, (name, row) => {
      if (name !== table.name) return;
      lines.push(row.map(copyField).join("\t"));
      if (lines.length < 500) return;
      write(`${lines.join("\n")}\n`);
      lines = [];
    });
    if (lines.length > 0) write(`${lines.join("\n")}\n`);
    write("\\.\n");
  }
  for (const table of tables) for (const index of createIndexes(table)) write(`${index};\n`);
  write("\\o /dev/null\n");
  for (const { name } of tables) {
    const from =
      name === "items" ? "(SELECT id FROM items UNION ALL SELECT id FROM old_items) i" : name;
    write(
      `SELECT setval(pg_get_serial_sequence('${name}', 'id'), (SELECT coalesce(max(id), 1) FROM ${from}));\n`,
    );
  }
  write("\\o\nCOMMIT;\nANALYZE;\n");
}
