#include "varve/cli/verbs.h"

namespace varve::cli {

void AddVerbs(Cli& cli) {
  AddInit(cli);
  AddLs(cli);
  AddLog(cli);
  AddShow(cli);
  AddDiff(cli);
  AddSave(cli);
  AddLoad(cli);
  AddPut(cli);
  AddGet(cli);
  AddAlias(cli);
  AddUnalias(cli);
  AddTag(cli);
  AddAnnotate(cli);
  AddForget(cli);
  AddGc(cli);
  AddUndelete(cli);
  AddPin(cli);
  AddUnpin(cli);
  AddHold(cli);
  AddUnhold(cli);
  AddRetain(cli);
  AddVerify(cli);
  AddFsck(cli);
  AddFindLost(cli);
  AddDoctor(cli);
  AddCopy(cli);
}

}  // namespace varve::cli
