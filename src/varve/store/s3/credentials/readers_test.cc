// Goal: settings files and credential replies are read as the AWS tools read them, and hostile ones
// are refused without a word of what they hold.
// Method: samples of each form, and the same samples damaged at every place.
#include <gtest/gtest.h>

#include "varve/base/random.h"
#include "varve/store/s3/credentials/credential_json.h"
#include "varve/store/s3/credentials/ini.h"
#include "varve/store/s3/credentials/run_command.h"
#include "varve/store/s3/credentials/sts_reply.h"

namespace varve::store {
namespace {

constexpr char kCanary[] = "CANARYsecretCANARY";

TEST(Ini, ReadsWhatTheAwsToolsWrite) {
  const auto file = ParseIni(
      "\xEF\xBB\xBF# comment\n"
      "stray = before any section\n"
      "[default]\r\n"
      "region=eu-central-1\n"
      "  aws_access_key_id =  A = B  \n"
      "; another\n"
      "[profile \"my  team\"]\n"
      "s3 =\n"
      "    addressing_style = path\n"
      "\tmax = 3\n"
      "region = us-west-2\n"
      "region = us-west-1\n"
      "[broken\n"
      "key = nowhere\n"
      "[services x]\n"
      "s3 = \n"
      "  endpoint_url = http://h:1\n"
      "no equals sign\n");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->at("default").at("region"), "eu-central-1");
  EXPECT_EQ(file->at("default").at("aws_access_key_id"), "A = B");
  EXPECT_EQ(file->at("profile my team").at("s3.addressing_style"), "path");
  EXPECT_EQ(file->at("profile my team").at("s3.max"), "3");
  EXPECT_EQ(file->at("profile my team").at("region"), "us-west-1");
  EXPECT_EQ(file->at("services x").at("s3.endpoint_url"), "http://h:1");
  EXPECT_EQ(file->size(), 3u);
  EXPECT_FALSE(ParseIni(std::string(kIniBytesMax + 1, 'x')).ok());
  EXPECT_FALSE(ParseIni("[a]\nk=" + std::string(kIniLineBytesMax, 'x')).ok());
  EXPECT_TRUE(ParseIni("").ok());
}

const std::string kEndpointJson =
    std::string(R"({"Code":"Success","AccessKeyId":"AKID","SecretAccessKey":")") + kCanary +
    R"(","Token":"tok","Expiration":"2030-01-02T03:04:05Z","Other":[1,{"a":null}]})";
const std::string kProcessJson =
    std::string(R"({"Version":1,"AccessKeyId":"AKID","SecretAccessKey":")") + kCanary + R"("})";
const std::string kSsoJson =
    std::string(R"({"roleCredentials":{"accessKeyId":"AKID","secretAccessKey":")") + kCanary +
    R"(","sessionToken":"tok","expiration":1893553445000}})";
const std::string kTokenJson = std::string(R"({"accessToken":")") + kCanary +
                               R"(","expiresAt":"2030-01-02T03:04:05Z","region":"eu-west-1"})";
const std::string kStsXml =
    std::string(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
        "<AssumeRoleResult><Credentials><AccessKeyId>AKID</AccessKeyId><SecretAccessKey>") +
    kCanary +
    "</SecretAccessKey><SessionToken>tok</SessionToken>"
    "<Expiration>2030-01-02T03:04:05Z</Expiration></Credentials></AssumeRoleResult>"
    "</AssumeRoleResponse>";
constexpr int64_t kExpires = 1893553445000;

TEST(CredentialReplies, AreRead) {
  const auto endpoint = ParseEndpointCredentials(kEndpointJson);
  ASSERT_TRUE(endpoint.ok());
  EXPECT_EQ(endpoint->secret_key.Reveal(), kCanary);
  EXPECT_EQ(endpoint->expires_ms, kExpires);
  const auto process = ParseProcessCredentials(kProcessJson);
  ASSERT_TRUE(process.ok());
  EXPECT_EQ(process->expires_ms, 0);
  const auto sso = ParseSsoCredentials(kSsoJson);
  ASSERT_TRUE(sso.ok());
  EXPECT_EQ(sso->expires_ms, kExpires);
  const auto token = ParseSsoToken(kTokenJson);
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(token->access_token.Reveal(), kCanary);
  const auto sts = ParseStsReply(kStsXml);
  ASSERT_TRUE(sts.ok());
  EXPECT_EQ(sts->session_token.Reveal(), "tok");
  EXPECT_EQ(StsErrorCode("<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"),
            "AccessDenied");
}

// Whatever comes, a message never repeats a part of the secret, and what is accepted can be sent.
template <typename Parse>
void Damage(const std::string& sample, const Parse& parse) {
  SeededRandom random(11);
  for (size_t at = 0; at < sample.size(); ++at) {
    std::string cut = sample.substr(0, at);
    std::string flipped = sample;
    flipped[at] = static_cast<char>(random.Next64());
    for (const std::string& text : {cut, flipped}) {
      const auto result = parse(text);
      if (!result.ok()) {
        EXPECT_EQ(result.error().ToString().find("CANARY"), std::string::npos);
      }
    }
    EXPECT_FALSE(parse(cut).ok()) << "cut at " << at;
  }
}

TEST(CredentialReplies, DamagedOnesAreRefusedInSilence) {
  Damage(kEndpointJson, ParseEndpointCredentials);
  Damage(kProcessJson, ParseProcessCredentials);
  Damage(kSsoJson, ParseSsoCredentials);
  Damage(kTokenJson, ParseSsoToken);
  Damage(kStsXml, ParseStsReply);
  for (const char* wrong :
       {"", "[]", "null", "1", R"({"Version":2,"AccessKeyId":"a","SecretAccessKey":"b"})",
        R"({"Version":1,"AccessKeyId":"a"})",
        R"({"Version":1,"AccessKeyId":1,"SecretAccessKey":2})",
        R"({"Version":1,"AccessKeyId":"a","SecretAccessKey":"b\nHeader: x"})",
        R"({"Version":1,"AccessKeyId":"a","SecretAccessKey":"b","Expiration":"soon"})"}) {
    EXPECT_FALSE(ParseProcessCredentials(wrong).ok()) << wrong;
  }
  EXPECT_FALSE(ParseEndpointCredentials(R"({"Code":"Failed","AccessKeyId":"a"})").ok());
  EXPECT_FALSE(ParseEndpointCredentials(std::string(kCredentialReplyBytesMax + 1, ' ')).ok());
  EXPECT_FALSE(ParseProcessCredentials(std::string(50'000, '[')).ok()) << "depth";
}

TEST(RunCommand, SplitsAsAShellDoesAndRunsWithoutOne) {
  const auto words = SplitCommand(R"(tool "a b" 'c "d' e\ f "g\"h" $HOME)");
  ASSERT_TRUE(words.ok());
  EXPECT_EQ(*words, (std::vector<std::string>{"tool", "a b", "c \"d", "e f", "g\"h", "$HOME"}));
  EXPECT_FALSE(SplitCommand("tool 'a").ok());
  const auto printed = RunCommand(OpContext(), {"echo", "-n", "x;y"}, 10);
  ASSERT_TRUE(printed.ok()) << printed.error().ToString();
  EXPECT_EQ(*printed, "x;y");
  EXPECT_FALSE(RunCommand(OpContext(), {"no-such-program-anywhere"}, 10).ok());
  EXPECT_FALSE(RunCommand(OpContext(), {"sh", "-c", "exit 3"}, 10).ok());
  EXPECT_FALSE(RunCommand(OpContext(), {"yes"}, 1000).ok()) << "an endless output";
  EXPECT_EQ(RunCommand(OpContext().WithTimeout(100), {"sleep", "60"}, 10).error().code(),
            ErrorCode::kTimeout);
}

}  // namespace
}  // namespace varve::store
