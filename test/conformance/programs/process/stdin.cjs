// conformance: stdin "first line\nsecond line\nlast"
// Standard input piped to standard output, upper-cased on the way.
const { Transform } = require("node:stream");
process.stdin
  .pipe(
    new Transform({
      transform(chunk, _encoding, done) {
        done(null, chunk.toString().toUpperCase());
      },
    }),
  )
  .pipe(process.stdout);
process.stdin.on("end", () => process.stderr.write("end of input\n"));
