// The `varve` command.
#include <sys/prctl.h>

#include <cstdlib>

#include "varve/cli/cli.h"
#include "varve/cli/verbs.h"

namespace {

// A core of this process would hold its keys: none is written unless somebody asks for one.
void ForbidCore() {
  if (std::getenv("VARVE_CORE") == nullptr) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace

int main(int argc, char** argv) {
  ForbidCore();
  varve::cli::Cli cli;
  varve::cli::AddVerbs(cli);
  return cli.Run(argc, argv);
}
