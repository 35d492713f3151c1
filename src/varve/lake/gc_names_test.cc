// Goal: a collection that stops says at what, and what to do; what a doctor left does not stop it.
// Method: one object taken out of a small lake, or put in, then both kinds of run.
#include "varve/lake/sample_gc.h"

namespace varve::lake {
namespace {

TEST(GcNames, AMissingCommitObjectIsNamedWithItsFix) {
  for (const bool listed : {false, true}) {
    const auto memory = GcLittered();
    const auto version = GcOpen(memory)->OpenAt(kGcCtx, "a@v2");
    ASSERT_TRUE(version.ok());
    const std::string key = format::MetaKey((*version)->entry().meta_id);
    const store::Key gone(key);
    const auto whole = memory->Head(kGcCtx, gone);
    ASSERT_TRUE(whole.ok());
    VARVE_EXPECT_OK(memory->Delete(kGcCtx, std::span(&gone, 1)));
    const auto hooked = std::make_shared<HookStore>(memory);
    // A listing that still shows it, as one that is late does.
    hooked->listed = [&](store::ListPage& page, std::string_view prefix) {
      if (listed && prefix.empty()) page.objects.push_back({gone, whole->bytes, {}, 0});
      return OkStatus();
    };
    for (const bool apply : {false, true}) {
      GcOptions options = kGcNow;
      options.apply = apply;
      const auto report = GcOpen(hooked)->CollectGarbage(kGcCtx, options);
      ASSERT_FALSE(report.ok());
      EXPECT_EQ(report.error().code(), ErrorCode::kCorrupt);
      const std::string& message = report.error().message();
      for (const std::string& part : {key, std::string("v2 of 'a'"), std::string("varve fsck")}) {
        EXPECT_NE(message.find(part), std::string::npos) << message;
      }
    }
    VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@v4", 2, 4));
  }
}

TEST(GcNames, WhatADoctorLeftDoesNotStopIt) {
  const auto memory = GcLittered();
  const store::Key left("probe/0123456789abcdef/create");
  VARVE_EXPECT_OK(memory->PutNew(kGcCtx, left, {}));
  VARVE_EXPECT_OK(GcOpen(memory)->CollectGarbage(kGcCtx, kGcNow));
  GcExpectLive(memory);
  GcExpectClean(memory);
  EXPECT_TRUE(memory->Head(kGcCtx, left).ok());  // Its own; the doctor tidies it up.
}

}  // namespace
}  // namespace varve::lake
