// Every verb, one file each. To add one: write its file, declare it here, call it in verbs.cc.
#pragma once

namespace varve::cli {

class Cli;

void AddAlias(Cli& cli);
void AddAnnotate(Cli& cli);
void AddCopy(Cli& cli);
void AddDiff(Cli& cli);
void AddDoctor(Cli& cli);
void AddFindLost(Cli& cli);
void AddForget(Cli& cli);
void AddFsck(Cli& cli);
void AddGc(Cli& cli);
void AddGet(Cli& cli);
void AddHold(Cli& cli);
void AddInit(Cli& cli);
void AddLog(Cli& cli);
void AddLoad(Cli& cli);
void AddLs(Cli& cli);
void AddPin(Cli& cli);
void AddPut(Cli& cli);
void AddRetain(Cli& cli);
void AddSave(Cli& cli);
void AddShow(Cli& cli);
void AddTag(Cli& cli);
void AddUnalias(Cli& cli);
void AddUndelete(Cli& cli);
void AddUnhold(Cli& cli);
void AddUnpin(Cli& cli);
void AddVerify(Cli& cli);

// All of them, in the order of the help.
void AddVerbs(Cli& cli);

}  // namespace varve::cli
