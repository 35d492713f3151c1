"""One move of a folder of files by boto3 (with and without CRT) or obstore: what bench/s3/run.py measures beside Varve.

Usage: peer.py boto3|boto3-crt|obstore up|down FOLDER BUCKET PREFIX. Runs in the environment of tools/peers.sh.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


def keys_of(client: Any, bucket: str, prefix: str) -> list[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix + "/")
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def with_crt(up: bool, folder: Path, bucket: str, prefix: str) -> None:
    """What boto3 does with preferred_transfer_client="crt", but over plain HTTP, which that cannot be told."""
    import boto3
    import botocore.session
    from awscrt.auth import AwsCredentialsProvider
    from s3transfer.crt import BotocoreCRTRequestSerializer, CRTTransferManager, create_s3_crt_client

    endpoint = os.environ["AWS_ENDPOINT_URL"]
    settings = {"endpoint_url": endpoint, "region_name": "us-east-1", "config": botocore.config.Config(s3={"addressing_style": "path"})}
    provider = AwsCredentialsProvider.new_static(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    crt = create_s3_crt_client("us-east-1", crt_credentials_provider=provider, use_ssl=False)
    with CRTTransferManager(crt, BotocoreCRTRequestSerializer(botocore.session.Session(), settings)) as manager:
        if up:
            moves = [manager.upload(str(path), bucket, f"{prefix}/{path.name}") for path in folder.iterdir()]
        else:
            keys = keys_of(boto3.client("s3"), bucket, prefix)
            moves = [manager.download(bucket, key, str(folder / Path(key).name)) for key in keys]
        for move in moves:
            move.result()


def with_boto3(up: bool, folder: Path, bucket: str, prefix: str) -> None:
    import boto3
    from boto3.s3.transfer import TransferConfig
    from botocore.config import Config

    client = boto3.client("s3", config=Config(s3={"addressing_style": "path"}, max_pool_connections=64))
    transfer = TransferConfig(preferred_transfer_client="classic", max_concurrency=10)
    with ThreadPoolExecutor(8) as pool:
        if up:
            moves = [pool.submit(client.upload_file, str(path), bucket, f"{prefix}/{path.name}", Config=transfer) for path in folder.iterdir()]
        else:
            keys = keys_of(client, bucket, prefix)
            moves = [pool.submit(client.download_file, bucket, key, str(folder / Path(key).name), Config=transfer) for key in keys]
        for move in moves:
            move.result()


def with_obstore(up: bool, folder: Path, bucket: str, prefix: str) -> None:
    import obstore
    from obstore.store import S3Store

    store = S3Store(bucket, prefix=prefix, endpoint=os.environ["AWS_ENDPOINT_URL"], client_options={"allow_http": True})

    def send(path: Path) -> None:
        obstore.put(store, path.name, path, chunk_size=16 << 20, max_concurrency=8)

    def fetch(item: dict[str, object]) -> None:
        # Ranges of 16 MiB in parallel, as its documentation advises for large objects.
        name, size, step = str(item["path"]), int(str(item["size"])), 16 << 20
        with open(folder / Path(name).name, "wb") as file:
            if size <= step:
                file.write(obstore.get(store, name).bytes())
                return
            starts = list(range(0, size, step))

            def part(start: int) -> None:
                data = obstore.get_range(store, name, start=start, end=min(size, start + step))
                os.pwrite(file.fileno(), data, start)

            with ThreadPoolExecutor(8) as parts:
                list(parts.map(part, starts))

    with ThreadPoolExecutor(8) as pool:
        work = list(folder.iterdir()) if up else [item for page in obstore.list(store) for item in page]
        list(pool.map(send if up else fetch, work))


def main() -> None:
    client, action, folder, bucket, prefix = sys.argv[1:]
    if client == "obstore":
        with_obstore(action == "up", Path(folder), bucket, prefix)
    elif client == "boto3-crt":
        with_crt(action == "up", Path(folder), bucket, prefix)
    else:
        with_boto3(action == "up", Path(folder), bucket, prefix)


if __name__ == "__main__":
    main()
