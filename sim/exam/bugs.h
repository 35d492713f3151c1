// The bugs of the exam: each a line with PLANTED(number) in the product's code.
#pragma once

namespace varve::sim {

struct Bug {
  int number;
  const char* what;
};

inline constexpr Bug kBugs[] = {
    {1, "a lost race commits without asking the collector again"},
    {2, "the collector is asked before the head is read"},
    {3, "an unknown outcome is taken for success"},
    {4, "an unknown outcome is taken for failure"},
    {5, "after a lost race nobody looks whether the write landed"},
    {6, "a lost race overwrites what the winner wrote"},
    {7, "a head is born with content"},
    {8, "a plain refusal of a doubled write is believed"},
    {9, "a head keeps its nonce"},
    {10, "the epoch in a head goes back"},
    {11, "folding drops a version"},
    {13, "the head moves though its commit object was not written"},
    {14, "packs are not among what a commit names"},
    {15, "the commit object is not among what a commit names"},
    {16, "what a failed commit wrote is cleaned up"},
    {17, "a version's time comes from the clock alone"},
    {18, "relocated chunks keep their old places"},
    {20, "a pack that was not written counts as written"},
    {21, "a chunk's place points at its frame"},
    {24, "the last task wakes nobody"},
    {25, "a lost reservation is repeated under its name"},
    {26, "an id is given out twice"},
    {27, "only the newest condemned list is heeded"},
    {28, "lists that are gone are taken for empty"},
    {30, "the collector's state is cached for ever"},
    {31, "the base epoch is read after what is reused"},
    {32, "a chunk's digest is not checked"},
    {33, "a shared chunk fills one of its places"},
    {35, "a failed page ends a listing"},
    {36, "a tag moves"},
    {39, "latest is the last version, forgotten or not"},
    {40, "a forgotten version resolves"},
    {41, "a copy does not look what is there"},
    {42, "a copy does not verify what it copies"},
    {43, "a label edit counts as done after any lost race"},
    {50, "a collector fences nothing"},
    {51, "a collector reads heads and does not move them"},
    {52, "what a fence meets is not taken from the list"},
    {53, "the grace is measured by the collector's clock"},
    {54, "a fence visits the heads that the mark met"},
    {55, "a head of the epoch before counts as fenced"},
    {56, "whoever finishes for another sweeps before it is decided"},
    {57, "the mark drops the last pack of a set"},
    {58, "a collector does not wait for what may be brought back"},
    {59, "a collector does not know of layouts"},
    {60, "no grace for what is young"},
    {61, "lists that gc/state names are tidied away"},
    {62, "a version that is named is forgotten"},
    {63, "what is brought back is not asked about"},
    {64, "what a thinned version names is not asked about"},
    {65, "a plan is carried out though the lake moved on"},
    {66, "repeating has no budget"},
    {67, "thinning again forgets what the first may bring back"},
    {68, "a repack swaps layouts without asking the collector"},
    {69, "a repack leaves a chunk's place in the layout as it was"},
    {70, "a repack swaps a layout that is no longer the one it read"},
    {71, "a repack does not verify what it copies"},
    {72, "a repack forgets what a thinned version may get back"},
    {73, "a reader does not look whether a version moved"},
};

}  // namespace varve::sim
