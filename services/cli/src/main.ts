/** The command `outsock`. */
import { Command, CommanderError } from "commander";
import { agentCommand } from "./agent-command.ts";
import { compareCommand } from "./compare/index.ts";
import { EXIT, Failure } from "./failure.ts";
import { dmesgCommand, psCommand } from "./inspect-commands.ts";
import { runCommand } from "./run-command.ts";
import { VERSION } from "./version.ts";

function program(): Command {
  const root = new Command("outsock")
    .description("runs unmodified Node.js programs in guests whose sockets are outsourced")
    .version(VERSION)
    .enablePositionalOptions()
    .showHelpAfterError("(outsock --help lists the commands and options)");
  for (const command of [
    runCommand(),
    agentCommand(),
    psCommand(),
    dmesgCommand(),
    compareCommand(),
  ]) {
    root.addCommand(command.copyInheritedSettings(root));
  }
  for (const command of [root, ...root.commands]) command.exitOverride();
  return root;
}

export async function main(argv: string[]): Promise<void> {
  try {
    await program().parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      // commander has said what is wrong.
      process.exitCode = error.exitCode === 0 ? 0 : EXIT.USAGE;
    } else if (error instanceof Failure) {
      process.stderr.write(`outsock: ${error.message}\n`);
      process.exitCode = error.exitCode;
    } else {
      throw error;
    }
  }
}
