// The `varve` command.
#include "varve/cli/cli.h"
#include "varve/cli/verbs.h"

int main(int argc, char** argv) {
  varve::cli::Cli cli;
  varve::cli::AddVerbs(cli);
  return cli.Run(argc, argv);
}
