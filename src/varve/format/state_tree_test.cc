// Goal: only a state of nothing but tensors passes for one. Method: trees as Python writes them.
#include "varve/format/state_tree.h"

#include <gtest/gtest.h>

namespace varve::format {
namespace {

std::string Plain(std::string_view tree) {
  const auto found = FirstPlainValue(tree);
  if (!found.ok()) return "error";
  return found->has_value() ? (*found)->path + " is " + (*found)->what : "none";
}

TEST(StateTree, TensorsAloneHaveNoPlainValue) {
  EXPECT_EQ(Plain(TreeOfTensors({"a", "b/c", "d\"\n"})), "none");
  EXPECT_EQ(Plain(R"({"T":"x"})"), "none");
  EXPECT_EQ(Plain(R"({"d":[[{"s":"m"},{"o":[[{"s":"w"},{"T":"m/w"}]]}],
                           [{"i":"3"},{"l":[{"A":"3/0"},{"T":"3/1","same":"m/w"}]}]]})"),
            "none");
}

TEST(StateTree, ThePlainValueIsNamedByItsPath) {
  EXPECT_EQ(Plain(R"({"d":[[{"s":"m"},{"d":[[{"s":"step"},{"i":"4"}]]}]]})"), "m/step is a number");
  EXPECT_EQ(Plain(R"({"d":[[{"s":"m"},{"l":[{"T":"m/0"},null]}]]})"), "m/1 is None");
  EXPECT_EQ(Plain(R"({"d":[[{"i":"7"},{"d":[]}]]})"), "7 is an empty dict");
  EXPECT_EQ(Plain(TreeOfTensors({})), " is an empty dict");
  EXPECT_EQ(Plain(R"({"d":[[{"t":[{"i":"1"}]},{"future":1}]]})"),
            "{\"t\":[{\"i\":\"1\"}]} is a 'future' value");
}

TEST(StateTree, WhatIsNoTreeIsRefused) {
  for (const char* tree : {"", "[]", "{}", R"({"d":1})", R"({"d":[1]})", R"({"d":[[{"s":"a"}]]})",
                           R"({"l":[7]})", R"({"l":["x"]})"}) {
    EXPECT_EQ(Plain(tree), "error") << tree;
  }
  EXPECT_EQ(Plain(std::string(100'000, '[')), "error");
}

}  // namespace
}  // namespace varve::format
