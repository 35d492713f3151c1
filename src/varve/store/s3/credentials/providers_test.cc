// Goal: each source of credentials works as the AWS tools' does, in their order, and its failures
// say what to do without a secret.
// Method: local HTTP servers play STS, the container agent, the metadata service and the SSO
// portal; environments and settings files are the test's own.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>

#include "varve/store/s3/credentials/chain.h"
#include "varve/store/s3/credentials/container_provider.h"
#include "varve/testing/fake_s3/http_server.h"

namespace varve::store {
namespace {

namespace fs = std::filesystem;
using fake::HttpReply;
using fake::HttpRequest;
using fake::HttpServer;

constexpr char kCanary[] = "CANARYsecretCANARY";

HttpReply Text(int status, const std::string& text) {
  HttpReply reply;
  const ByteView bytes = AsBytes(text);
  reply.status = status;
  reply.owner = std::make_shared<const Bytes>(bytes.begin(), bytes.end());
  reply.body = *reply.owner;
  return reply;
}

std::string Json(const std::string& access_key) {
  return R"({"AccessKeyId":")" + access_key + R"(","SecretAccessKey":")" + kCanary +
         R"(","Token":"tok","Expiration":"2035-01-02T03:04:05Z"})";
}

std::string StsXml(const std::string& access_key) {
  return "<R><Q><Credentials><AccessKeyId>" + access_key + "</AccessKeyId><SecretAccessKey>" +
         kCanary +
         "</SecretAccessKey><SessionToken>tok</SessionToken><Expiration>2035-01-02T03:04:05Z"
         "</Expiration></Credentials></Q></R>";
}

// A folder as HOME, an environment, and one server that plays whom it is asked for.
class ProvidersTest : public testing::Test {
 protected:
  ProvidersTest() {
    home_ = (fs::temp_directory_path() / "varve-providers-XXXXXX").string();
    EXPECT_NE(::mkdtemp(home_.data()), nullptr);
    fs::create_directories(home_ + "/.aws/sso/cache");
    environment_["HOME"] = home_;
    environment_["AWS_EC2_METADATA_DISABLED"] = "true";
    auto server =
        HttpServer::Start(0, [this](const HttpRequest& request) { return Play(request); });
    EXPECT_TRUE(server.ok());
    server_ = std::move(*server);
    url_ = "http://127.0.0.1:" + std::to_string(server_->port());
  }
  ~ProvidersTest() override {
    server_.reset();
    fs::remove_all(home_);
  }

  std::string Header(const HttpRequest& request, const std::string& name) {
    const auto found = request.headers.find(name);
    return found == request.headers.end() ? "" : found->second;
  }

  HttpReply Play(const HttpRequest& request) {
    const std::lock_guard lock(mutex_);
    asked_.push_back(request.method + " " + request.target);
    last_ = request;
    if (status_ != 200) return Text(status_, "<E><Error><Code>AccessDenied</Code></Error></E>");
    if (request.target == "/") {
      const std::string body(AsText(request.body));
      const bool web = body.find("Action=AssumeRoleWithWebIdentity") != std::string::npos;
      return Text(200, StsXml(web ? "FROMWEB" : "FROMROLE"));
    }
    if (request.target == "/container") return Text(200, Json("FROMCONTAINER"));
    if (request.target == "/latest/api/token") return Text(200, "imds-session");
    const bool imds = request.target.starts_with("/latest/meta-data/iam/security-credentials/");
    if (imds && Header(request, "x-aws-ec2-metadata-token") != "imds-session") return Text(401, "");
    if (imds && request.target.ends_with("/")) return Text(200, "my-role");
    if (imds && request.target.ends_with("/my-role")) return Text(200, Json("FROMINSTANCE"));
    if (request.target.starts_with("/federation/credentials?"))
      return Text(200, std::string(R"({"roleCredentials":{"accessKeyId":"FROMSSO",)") +
                           R"("secretAccessKey":")" + kCanary +
                           R"(","sessionToken":"t","expiration":2000000000000}})");
    return Text(404, "");
  }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(home_ + "/" + name, std::ios::binary) << text;
  }

  Environment Env() const {
    return [variables = environment_](const std::string& name) {
      const auto found = variables.find(name);
      return found == variables.end() ? std::string() : found->second;
    };
  }

  // The access key that the chain finds, or its error; neither may hold the secret.
  std::string Found() {
    const auto found = CredentialChain(Env(), "us-east-1")->Fetch(OpContext().WithTimeout(20'000));
    if (found.ok()) return (*found)->access_key;
    const std::string text = found.error().ToString();
    EXPECT_EQ(text.find("CANARY"), std::string::npos) << text;
    return text;
  }

  std::map<std::string, std::string> environment_;
  std::string home_, url_;
  std::mutex mutex_;
  std::vector<std::string> asked_;
  HttpRequest last_;
  int status_ = 200;
  std::unique_ptr<HttpServer> server_;  // Last: its threads use the rest.
};

TEST_F(ProvidersTest, NothingConfiguredNamesTheWayOut) {
  EXPECT_NE(Found().find("set AWS_ACCESS_KEY_ID"), std::string::npos);
  EXPECT_TRUE(asked_.empty());
}

TEST_F(ProvidersTest, EnvironmentComesFirstAndWhole) {
  Write(".aws/credentials", "[default]\naws_access_key_id=FILE\naws_secret_access_key=x\n");
  EXPECT_EQ(Found(), "FILE");
  environment_["AWS_ACCESS_KEY_ID"] = "ENV";
  EXPECT_NE(Found().find("set both or none"), std::string::npos);
  environment_["AWS_SECRET_ACCESS_KEY"] = kCanary;
  EXPECT_EQ(Found(), "ENV");
  environment_["VARVE_S3_ACCESS_KEY_ID"] = "OWN";
  environment_["VARVE_S3_SECRET_ACCESS_KEY"] = kCanary;
  EXPECT_EQ(Found(), "OWN");
}

TEST_F(ProvidersTest, WebIdentityIsAskedUnsignedWithTheTokenOfItsFile) {
  Write("token", "header.payload.CANARY\n");
  environment_["AWS_WEB_IDENTITY_TOKEN_FILE"] = home_ + "/token";
  EXPECT_NE(Found().find("AWS_ROLE_ARN is not"), std::string::npos);
  environment_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/train";
  environment_["AWS_ENDPOINT_URL_STS"] = url_;
  EXPECT_EQ(Found(), "FROMWEB");
  const std::string body(AsText(last_.body));
  EXPECT_TRUE(body.ends_with("&WebIdentityToken=header.payload.CANARY"));
  EXPECT_NE(body.find("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Ftrain"), std::string::npos);
  EXPECT_EQ(Header(last_, "authorization"), "");
  status_ = 403;
  const std::string refused = Found();
  EXPECT_NE(refused.find("arn:aws:iam::1:role/train (AccessDenied)"), std::string::npos) << refused;
  environment_["AWS_WEB_IDENTITY_TOKEN_FILE"] = home_ + "/missing";
  EXPECT_NE(Found().find("check AWS_WEB_IDENTITY_TOKEN_FILE"), std::string::npos);
}

TEST_F(ProvidersTest, ProfilesAssumeRolesFromEachOther) {
  environment_["AWS_ENDPOINT_URL"] = url_;
  environment_["AWS_PROFILE"] = "train";
  EXPECT_NE(Found().find("no profile 'train'"), std::string::npos);
  Write(".aws/config",
        "[profile train]\nrole_arn = arn:role\nsource_profile = base\nexternal_id = ext 1\n"
        "[profile base]\nregion = x\n"
        "[profile loop]\nrole_arn = r\nsource_profile = pool\n"
        "[profile pool]\nrole_arn = r\nsource_profile = loop\n"
        "[profile self]\nrole_arn = r\nsource_profile = self\naws_access_key_id = S\n"
        "aws_secret_access_key = t\n"
        "[profile mfa]\nrole_arn = r\nsource_profile = base\nmfa_serial = m\n"
        "[profile source]\nrole_arn = r\ncredential_source = Environment\n"
        "[profile neither]\nrole_arn = r\n"
        "[profile web]\nrole_arn = r\nweb_identity_token_file = " +
            home_ + "/token\n");
  Write("token", "jwt");
  EXPECT_NE(Found().find("'base' has no credentials"), std::string::npos);
  Write(".aws/credentials",
        std::string("[base]\naws_access_key_id=BASE\naws_secret_access_key=") + kCanary + "\n");
  EXPECT_EQ(Found(), "FROMROLE");
  EXPECT_NE(Header(last_, "authorization").find("Credential=BASE/"), std::string::npos);
  EXPECT_NE(std::string(AsText(last_.body)).find("ExternalId=ext%201"), std::string::npos);
  const auto with = [&](const char* profile) {
    environment_["AWS_PROFILE"] = profile;
    return Found();
  };
  EXPECT_NE(with("loop").find("leads back to itself"), std::string::npos);
  EXPECT_EQ(with("self"), "FROMROLE");
  EXPECT_EQ(with("web"), "FROMWEB");
  EXPECT_NE(with("mfa").find("one-time code"), std::string::npos);
  EXPECT_NE(with("neither").find("source_profile and credential_source"), std::string::npos);
  EXPECT_NE(with("source").find("credential_source Environment has none"), std::string::npos);
}

TEST_F(ProvidersTest, CredentialProcessAndItsFailures) {
  Write(".aws/config", std::string("[default]\ncredential_process = echo '{\"Version\":1,"
                                   "\"AccessKeyId\":\"FROMPROCESS\",\"SecretAccessKey\":\"") +
                           kCanary + "\"}'\n");
  EXPECT_EQ(Found(), "FROMPROCESS");
  Write(".aws/config", std::string("[default]\ncredential_process = sh -c 'echo ") + kCanary +
                           "; echo " + kCanary + " >&2; exit 7'\n");
  EXPECT_NE(Found().find("ended with status 7"), std::string::npos);
  Write(".aws/config", std::string("[default]\ncredential_process = echo ") + kCanary + "\n");
  EXPECT_NE(Found().find("not a JSON object"), std::string::npos);
}

TEST_F(ProvidersTest, TheCachedLoginOfSso) {
  Write(".aws/config",
        "[default]\nsso_session = corp\nsso_account_id = 12\nsso_role_name = trainer\n"
        "[sso-session corp]\nsso_start_url = https://x/start\nsso_region = eu-west-1\n");
  environment_["AWS_ENDPOINT_URL_SSO"] = url_;
  EXPECT_NE(Found().find("run 'aws sso login --profile default'"), std::string::npos);
  // The name is the SHA-1 of "corp", as the AWS command line has it.
  const std::string cache = ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
  const std::string token = std::string(R"({"accessToken":")") + kCanary + R"(","expiresAt":")";
  Write(cache, token + R"(2020-01-01T00:00:00Z"})");
  EXPECT_NE(Found().find("has expired; run 'aws sso login"), std::string::npos);
  Write(cache, token + R"(2035-01-01T00:00:00Z"})");
  EXPECT_EQ(Found(), "FROMSSO");
  EXPECT_EQ(last_.target, "/federation/credentials?account_id=12&role_name=trainer");
  EXPECT_EQ(Header(last_, "x-amz-sso_bearer_token"), kCanary);
  status_ = 401;
  EXPECT_NE(Found().find("SSO refuses role 'trainer'"), std::string::npos);
  Write(cache, "{");
  EXPECT_NE(Found().find("run 'aws sso login"), std::string::npos);
}

TEST_F(ProvidersTest, ContainerWithItsToken) {
  Write("token", "Basic CANARYtoken\n");
  environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url_ + "/container";
  environment_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = home_ + "/token";
  environment_["http_proxy"] = "http://127.0.0.1:9";
  EXPECT_EQ(Found(), "FROMCONTAINER");
  EXPECT_EQ(Header(last_, "authorization"), "Basic CANARYtoken");
  status_ = 403;
  EXPECT_NE(Found().find("answered 403"), std::string::npos);
  Write("token", "Basic x\r\nHost: evil\n");
  EXPECT_NE(Found().find("holds a line break"), std::string::npos);
  EXPECT_FALSE(AllowedContainerUri("http://example.com/x"));
  EXPECT_FALSE(AllowedContainerUri("http://127.0.0.1@example.com/x"));
  EXPECT_FALSE(AllowedContainerUri("http://127.0.0.1.example.com/x"));
  EXPECT_TRUE(AllowedContainerUri("https://example.com/x"));
  EXPECT_TRUE(AllowedContainerUri("http://[::1]:80/x"));
  EXPECT_TRUE(AllowedContainerUri("http://169.254.170.23/v1/credentials"));
}

TEST_F(ProvidersTest, InstanceMetadataOnlyInItsSecondVersion) {
  environment_.erase("AWS_EC2_METADATA_DISABLED");
  environment_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = url_ + "/";
  EXPECT_EQ(Found(), "FROMINSTANCE");
  ASSERT_EQ(asked_.size(), 3u);
  EXPECT_EQ(asked_[0], "PUT /latest/api/token");
  status_ = 404;  // No such service: as where there is none.
  EXPECT_NE(Found().find("no S3 credentials"), std::string::npos);
  EXPECT_EQ(asked_.size(), 4u) << "no token, no further request";
  environment_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:9";
  EXPECT_NE(Found().find("no S3 credentials"), std::string::npos);
  environment_["AWS_METADATA_SERVICE_NUM_ATTEMPTS"] = "3";
  environment_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = url_;
  status_ = 500;
  EXPECT_NE(Found().find("no S3 credentials"), std::string::npos);
  EXPECT_EQ(asked_.size(), 7u);
}

}  // namespace
}  // namespace varve::store
