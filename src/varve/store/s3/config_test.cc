// Goal: settings come from where the AWS command line takes them, VARVE_S3_* above, and a wrong one
// is named. Requests go where the addressing says.
#include "varve/store/s3/config.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "varve/store/s3/endpoint.h"

namespace varve::store {
namespace {

namespace fs = std::filesystem;

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    home_ = (fs::temp_directory_path() / "varve-config-XXXXXX").string();
    EXPECT_NE(::mkdtemp(home_.data()), nullptr);
    fs::create_directories(home_ + "/.aws");
    variables_["HOME"] = home_;
  }
  ~ConfigTest() override { fs::remove_all(home_); }
  Result<S3Config> Load(const std::string& url = "s3://bucket/team") {
    return LoadS3Config(url, [this](const std::string& name) {
      const auto found = variables_.find(name);
      return found == variables_.end() ? std::string() : found->second;
    });
  }
  void ExpectRefused(const std::string& name, const std::string& value) {
    variables_[name] = value;
    const auto config = Load();
    ASSERT_FALSE(config.ok()) << name << "=" << value;
    EXPECT_EQ(config.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(config.error().message().find("CANARY"), std::string::npos);
    variables_.erase(name);
  }
  std::string home_;
  std::map<std::string, std::string> variables_;
};

TEST_F(ConfigTest, DefaultsAreAwsOverTls) {
  const auto config = Load();
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  const Target target = TargetOf(*config, config->region, "pack/a+b");
  EXPECT_EQ(target.scheme + target.host + target.path,
            "https://bucket.s3.us-east-1.amazonaws.com/team/pack/a%2Bb");
  EXPECT_TRUE(config->unsigned_payload);
  EXPECT_EQ(TargetOf(*config, "cn-north-1", "").host, "bucket.s3.cn-north-1.amazonaws.com.cn");
  const auto dotted = Load("s3://a.b.c/team");
  EXPECT_EQ(TargetOf(*dotted, "r", "k").path, "/a.b.c/team/k") << "no certificate fits a.b.c.s3";
}

TEST_F(ConfigTest, EndpointsOfEveryForm) {
  struct Case {
    const char *endpoint, *addressing, *where;
  };
  for (const Case& each :
       {Case{"http://127.0.0.1:9000", "", "http://127.0.0.1:9000/bucket/team/k"},
        Case{"http://[::1]:9000", "", "http://[::1]:9000/bucket/team/k"},
        Case{"https://minio.lan", "", "https://minio.lan/bucket/team/k"},
        Case{"https://s3.lan:8443", "virtual", "https://bucket.s3.lan:8443/team/k"}}) {
    variables_["AWS_ENDPOINT_URL"] = each.endpoint;
    variables_["VARVE_S3_ADDRESSING"] = each.addressing;
    const auto config = Load();
    ASSERT_TRUE(config.ok()) << config.error().ToString();
    const Target target = TargetOf(*config, "r", "k");
    EXPECT_EQ(target.scheme + target.host + target.path, each.where);
  }
  variables_.clear();
  for (const char* wrong :
       {"minio:9000", "ftp://x", "https://", "https://u:CANARY@h", "https://h/p", "https://h?q",
        "https://h:port", "https://h:123456", "https://[::1", "https://[zz]", "https://h h"}) {
    ExpectRefused("AWS_ENDPOINT_URL", wrong);
  }
  variables_["AWS_ENDPOINT_URL"] = "http://10.0.0.1";
  ExpectRefused("VARVE_S3_ADDRESSING", "virtual");
  ExpectRefused("VARVE_S3_ADDRESSING", "sideways");
}

TEST_F(ConfigTest, VariablesAboveFilesAndOwnAboveAws) {
  std::ofstream(home_ + "/.aws/config")
      << "[default]\nregion = file-1\nendpoint_url = https://file\ns3 =\n  addressing_style = "
         "virtual\n[profile team]\nregion = team-1\nservices = lan\n[services lan]\ns3 =\n  "
         "endpoint_url = https://service\n";
  EXPECT_EQ(Load()->region, "file-1");
  EXPECT_EQ(Load()->endpoint, "https://file");
  EXPECT_FALSE(Load()->path_style);
  variables_["AWS_PROFILE"] = "team";
  EXPECT_EQ(Load()->region, "team-1");
  EXPECT_EQ(Load()->endpoint, "https://service");
  variables_["AWS_ENDPOINT_URL"] = "https://all";
  EXPECT_EQ(Load()->endpoint, "https://all");
  variables_["AWS_ENDPOINT_URL_S3"] = "https://s3only/";
  EXPECT_EQ(Load()->endpoint, "https://s3only");
  variables_["VARVE_S3_ENDPOINT"] = "https://own";
  EXPECT_EQ(Load()->endpoint, "https://own");
  variables_["AWS_DEFAULT_REGION"] = "late-1";
  variables_["AWS_REGION"] = "env-1";
  EXPECT_EQ(Load()->region, "env-1");
  variables_.erase("VARVE_S3_ENDPOINT");
  variables_["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true";
  EXPECT_EQ(Load()->endpoint, "");
  variables_["AWS_PROFILE"] = "nobody";
  EXPECT_NE(Load().error().message().find("check AWS_PROFILE"), std::string::npos);
}

TEST_F(ConfigTest, PayloadSigningFollowsTheWire) {
  variables_["AWS_ENDPOINT_URL"] = "http://storage.lan";
  EXPECT_FALSE(Load()->unsigned_payload);
  variables_["VARVE_S3_PAYLOAD_SIGNING"] = "never";
  EXPECT_TRUE(Load()->unsigned_payload);
  variables_["VARVE_S3_PAYLOAD_SIGNING"] = "always";
  variables_["AWS_ENDPOINT_URL"] = "https://storage.lan";
  EXPECT_FALSE(Load()->unsigned_payload);
  variables_["VARVE_S3_PAYLOAD_SIGNING"] = "auto";
  for (const char* local : {"http://localhost:1", "http://127.1.2.3", "http://[::1]:1"}) {
    variables_["AWS_ENDPOINT_URL"] = local;
    EXPECT_TRUE(Load()->unsigned_payload) << local;
  }
  variables_["AWS_ENDPOINT_URL"] = "http://127.0.0.1.evil.example";
  EXPECT_FALSE(Load()->unsigned_payload);
}

TEST_F(ConfigTest, WrongSettingsAreNamed) {
  ExpectRefused("AWS_REGION", "eu/west");
  ExpectRefused("VARVE_S3_CHECKSUM", "sha1");
  ExpectRefused("VARVE_S3_SSE", "rot13");
  ExpectRefused("VARVE_S3_REQUEST_PAYER", "me");
  ExpectRefused("VARVE_S3_SSE_KMS_KEY_ID", "id");
  ExpectRefused("VARVE_S3_STORAGE_CLASS", "A\nB");
  ExpectRefused("VARVE_S3_SSE_C_KEY", "CANARY");
  variables_["VARVE_S3_SSE_C_KEY"] = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
  ASSERT_TRUE(Load().ok()) << Load().error().ToString();
  EXPECT_EQ(Load()->customer_key.Reveal(), std::string(32, 'k'));
  ExpectRefused("VARVE_S3_SSE", "AES256");
  ExpectRefused("AWS_ENDPOINT_URL", "http://storage.lan");
  variables_.erase("VARVE_S3_SSE_C_KEY");
  variables_["AWS_REQUEST_CHECKSUM_CALCULATION"] = "when_required";
  EXPECT_EQ(Load()->checksum, Checksum::kNone);
  variables_["VARVE_S3_CHECKSUM"] = "crc32c";
  EXPECT_EQ(Load()->checksum, Checksum::kCrc32c);
  fs::create_directory(home_ + "/.aws/credentials");
  EXPECT_FALSE(Load().ok()) << "a folder is no file of credentials";
}

}  // namespace
}  // namespace varve::store
