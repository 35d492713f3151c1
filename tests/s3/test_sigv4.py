"""Goal: Varve signs requests exactly as another signer does, also where paths, queries and headers are odd.

Method: random requests from a printed seed are signed by botocore's S3 signers in their header and query forms; the same
requests go through build/release/bin/sigv4_driver; paths, queries and signatures must agree. VARVE_SIGV4_CASES sets
how many (100,000 take about a minute).
"""

import json
import os
import random
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.utils import percent_encode

DRIVER = Path(__file__).parents[2] / "build" / "release" / "bin" / "sigv4_driver"
CASES = int(os.environ.get("VARVE_SIGV4_CASES", "4000"))
LETTERS = "abcXYZ019-._~ +%/&=?#;:,@!$'()*[]{}|\\^`\"<>é\u1234\U0001f980"
REGIONS = ["us-east-1", "eu-central-1", "auto", "cn-north-1", "garage"]


def text(rng, longest, letters=LETTERS):
    return "".join(rng.choice(letters) for _ in range(rng.randint(0, longest)))


def word(rng):
    return text(rng, 12, "abcdefghijklmnopqrstuvwxyz-0123456789") or "x"


def make_case(rng):
    secret = "".join(rng.choice("ABCabc0123456789+/") for _ in range(40))
    return {
        "method": rng.choice(["GET", "PUT", "HEAD", "POST", "DELETE"]),
        "key": "/" + text(rng, 30).lstrip("/"),
        "query": {text(rng, 8) or "uploads": text(rng, 12) for _ in range(rng.randint(0, 4))},
        "headers": {
            f"x-amz-{word(rng)}": text(rng, 20, "abc  \t\"'=;/+09Z").strip() or "v" for _ in range(rng.randint(0, 4))
        },
        "host": rng.choice(["bucket.s3.amazonaws.com", "127.0.0.1:9000", "[::1]:9000", "a.b.example"]),
        "body": rng.randbytes(rng.randint(0, 20)),
        "signed_payload": rng.random() < 0.5,
        "region": rng.choice(REGIONS),
        "ttl_s": rng.randint(1, 604800),
        "access_key": "EXAMPLE" + word(rng).upper(),
        "secret_key": secret,
        "token": rng.choice(["", "t0ken/+=" + word(rng)]),
    }


def sign_with_botocore(case, form):
    """The request as botocore signed it, and what the driver needs to sign the same."""
    credentials = Credentials(case["access_key"], case["secret_key"], case["token"] or None)
    url = f"https://{case['host']}{percent_encode(case['key'], safe='/-_.~')}"
    request = AWSRequest(case["method"], url, headers=dict(case["headers"]), params=dict(case["query"]))
    if form == "query":
        S3SigV4QueryAuth(credentials, "s3", case["region"], expires=case["ttl_s"]).add_auth(request)
        payload_hash = "UNSIGNED-PAYLOAD"
        query = dict(pair.split("=", 1) for pair in urlsplit(request.url).query.split("&"))
        names = query["X-Amz-SignedHeaders"].replace("%3B", ";").split(";")
        token = case["token"]
        signed = query
        date = query["X-Amz-Date"]
    else:
        request.data = case["body"]
        if not case["signed_payload"]:
            request.context["client_config"] = Config(s3={"payload_signing_enabled": False})
        S3SigV4Auth(credentials, "s3", case["region"]).add_auth(request)
        payload_hash = request.headers["X-Amz-Content-SHA256"]
        signed = request.headers["Authorization"]
        names = re.search("SignedHeaders=([^,]+)", signed)[1].split(";")
        token = case["token"]
        date = request.headers["X-Amz-Date"]
    values = {name.lower(): value for name, value in request.headers.items()} | {"host": case["host"]}
    driver = {
        "form": form,
        "method": case["method"],
        "key": case["key"],
        "query": list(case["query"].items()),
        "headers": [[name, values[name]] for name in reversed(names)],
        "payload_hash": payload_hash,
        "region": case["region"],
        "date": date,
        "ttl_s": case["ttl_s"],
        "access_key": case["access_key"],
        "secret_key": case["secret_key"],
        "token": token,
    }
    return driver, signed, url


def parts_of(authorization):
    return [part.strip() for part in authorization.replace("AWS4-HMAC-SHA256 ", "").split(",")]


@pytest.mark.parametrize("form", ["header", "query"])
def test_agrees_with_botocore(form):
    seed = int(os.environ.get("VARVE_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    print(f"VARVE_SEED={seed}")
    rng = random.Random(seed)
    cases = [make_case(rng) for _ in range(CASES)]
    asked = [sign_with_botocore(case, form) for case in cases]
    lines = "".join(json.dumps(driver) + "\n" for driver, _, _ in asked)
    done = subprocess.run([DRIVER], input=lines, capture_output=True, text=True, check=True)
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(replies) == len(cases)
    for (driver, signed, url), reply in zip(asked, replies, strict=True):
        assert reply["path"] == url.split("://", 1)[1][len(urlsplit(url).netloc) :], driver
        if form == "query":
            ours = dict(pair.split("=", 1) for pair in reply["signed"].split("&"))
            assert ours == signed, reply["canonical"]
        else:
            assert parts_of(reply["signed"]) == parts_of(signed), reply["canonical"]

