// Goal: a rule that could delete objects of a lake is seen, whatever its form; others are not.
// Method: rules by hand, as the services write them.
#include "varve/store/s3/lifecycle.h"

#include <gtest/gtest.h>

namespace varve::store {
namespace {

std::string Rule(const std::string& inside, const std::string& status = "Enabled") {
  return "<LifecycleConfiguration "
         "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Rule><ID>r1</ID>" +
         inside + "<Status>" + status + "</Status></Rule></LifecycleConfiguration>";
}

TEST(Lifecycle, FindsWhatCouldDeleteTheLake) {
  const std::string days = "<Expiration><Days>30</Days></Expiration>";
  const auto expires = [](const std::string& xml) {
    return EffectOfLifecycle(xml, "team/lake/").expires;
  };
  EXPECT_EQ(expires(Rule(days + "<Filter><Prefix></Prefix></Filter>")), "r1");
  EXPECT_EQ(expires(Rule(days + "<Filter><Prefix>team/</Prefix></Filter>")), "r1");
  EXPECT_EQ(expires(Rule(days + "<Filter><Prefix>team/lake/pack/</Prefix></Filter>")), "r1");
  EXPECT_EQ(expires(Rule(days + "<Prefix>te</Prefix>")), "r1") << "the old form";
  EXPECT_EQ(expires(Rule(days + "<Filter><And><Prefix>team/</Prefix><Tag/></And></Filter>")), "r1");
  EXPECT_EQ(expires(Rule(days + "<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>")), "r1");
  EXPECT_EQ(expires(Rule("<Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>")), "r1");
  EXPECT_EQ(expires(Rule(days + "<Filter><Prefix>logs/</Prefix></Filter>")), "");
  EXPECT_EQ(expires(Rule(days + "<Filter><Prefix>team/lake2/</Prefix></Filter>")), "");
  EXPECT_EQ(expires(Rule(days, "Disabled")), "");
  EXPECT_EQ(expires(Rule("<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>"
                         "</Expiration>")),
            "");
}

TEST(Lifecycle, OtherEffectsAndDamage) {
  const LifecycleEffect moves =
      EffectOfLifecycle(Rule("<Transition><Days>1</Days></Transition>"), "lake/");
  EXPECT_EQ(moves.moves, "r1");
  EXPECT_TRUE(moves.expires.empty());
  EXPECT_TRUE(EffectOfLifecycle(Rule("<AbortIncompleteMultipartUpload><DaysAfterInitiation>7"
                                     "</DaysAfterInitiation></AbortIncompleteMultipartUpload>"),
                                "lake/")
                  .aborts_uploads);
  EXPECT_TRUE(
      EffectOfLifecycle(Rule("<NoncurrentVersionExpiration/>"), "lake/").expires_noncurrent);
  EXPECT_FALSE(EffectOfLifecycle("<Lifecycle", "lake/").readable);
  EXPECT_FALSE(EffectOfLifecycle("<html/>", "lake/").readable);
}

}  // namespace
}  // namespace varve::store
