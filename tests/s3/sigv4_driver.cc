// Signs what it reads, one JSON object a line, and prints what it signed: the half of
// tests/s3/test_sigv4.py that runs Varve's signer. Never shipped.
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "varve/store/s3/signing/sigv4.h"

int main() {
  using nlohmann::json;
  for (std::string line; std::getline(std::cin, line);) {
    const json request = json::parse(line);
    varve::store::SigningInput input;
    input.method = request["method"];
    input.path = varve::store::UriEncode(request["key"].get<std::string>(), true);
    for (const json& each : request["query"]) input.query.emplace_back(each[0], each[1]);
    for (const json& each : request["headers"]) input.headers.emplace_back(each[0], each[1]);
    input.payload_hash = request["payload_hash"];
    input.region = request["region"];
    input.amz_date = request["date"];
    const varve::store::Credentials credentials{request["access_key"],
                                                request["secret_key"].get<std::string>(),
                                                request["token"].get<std::string>(), 0};
    json reply;
    reply["path"] = input.path;
    if (request["form"] == "query") {
      reply["signed"] = varve::store::PresignedQuery(input, credentials, request["ttl_s"]).Reveal();
    } else {
      reply["query"] = varve::store::EncodeQuery(input.query);
      reply["signed"] = varve::store::Authorization(input, credentials);
    }
    reply["canonical"] = varve::store::CanonicalRequest(input);
    std::fputs((reply.dump() + "\n").c_str(), stdout);
  }
  return 0;
}
