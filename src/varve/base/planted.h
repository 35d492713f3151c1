// Bugs planted where a person would make them, for the simulator's exam (sim/exam/bugs.h lists
// them). Only the exam's own objects are compiled with VARVE_PLANTED_BUGS; everywhere else this is
// the constant false, and nothing of it is left.
#pragma once

#ifdef VARVE_PLANTED_BUGS
namespace varve {
extern int planted_bug;  // The one that is awake; 0: none.
}  // namespace varve
#define PLANTED(number) (::varve::planted_bug == (number))
#else
#define PLANTED(number) false
#endif
