"""TLS at the gateway and an S3 server of one's own, together."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import grpc
import pytest
from stack import ROOT, STUBS, Stack, base_images

from voxloom import rpc
from voxloom.cli.sending import send_take
from voxloom.v1 import ingest_pb2, recorder_pb2

pytestmark = pytest.mark.compose

OVERLAYS = ("tests/compose/loop.yaml", "deploy/compose.tls.yaml", "deploy/compose.external-s3.yaml")
SECRET = secrets.token_hex(20)


@pytest.fixture(scope="module")
def elsewhere(images: None) -> Iterator[Stack]:
    """Services that keep their things in an S3 server which compose knows nothing of."""
    stack = Stack(
        "voxloom-tls",
        *OVERLAYS,
        VOXLOOM_STORE="s3://elsewhere/voices?endpoint=http://their-s3:9000",
        VOXLOOM_S3_ACCESS_KEY="them",
        VOXLOOM_S3_SECRET_KEY=SECRET,
        VOXLOOM_TLS_NAMES="localhost,127.0.0.1,voxloom.example",
    )
    try:
        stack.compose("create")
        run_s3(stack)
        stack.up()
        stack.remember_secrets()
        yield stack
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", server_name(stack)], capture_output=True)
        stack.down()


def server_name(stack: Stack) -> str:
    return f"{stack.project}-their-s3"


def run_s3(stack: Stack) -> None:
    """The image's own start, by the contract of MinIO's."""
    keys = ("-e", "MINIO_ROOT_USER=them", "-e", f"MINIO_ROOT_PASSWORD={SECRET}")
    where = ("--network", f"{stack.project}_default", "--network-alias", "their-s3", "-p", "127.0.0.1::9000")
    image = ("--name", server_name(stack), base_images()[2], "server", "/data")
    subprocess.run(["docker", "run", "--detach", *where, *keys, *image], check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(elsewhere: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    elsewhere.compose("cp", "gateway:/run/tls/ca.pem", str(path))
    return path


def tls_channel(stack: Stack, authority: Path, service: str, key: str = "") -> grpc.Channel:
    tls = grpc.ssl_channel_credentials(authority.read_bytes())
    return rpc.channel(f"localhost:{stack.ports[service]}", api_key=key or stack.api_key, tls=tls)


def policy(channel: grpc.Channel) -> ingest_pb2.RetrainPolicy:
    stub = STUBS["ingest"](channel)
    found: ingest_pb2.RetrainPolicy = stub.GetRetrainPolicy(ingest_pb2.GetRetrainPolicyRequest(), timeout=10)
    return found


def test_calls_are_encrypted_and_the_names_are_checked(elsewhere: Stack, authority: Path) -> None:
    with tls_channel(elsewhere, authority, "ingest") as channel:
        assert policy(channel).needed_utterances == 70
    with tls_channel(elsewhere, authority, "ingest", "k" * 40) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            policy(channel)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]
    with elsewhere.channel("ingest") as plain, pytest.raises(grpc.RpcError) as error:
        policy(plain)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]


def test_the_command_line_needs_the_authority(elsewhere: Stack, authority: Path) -> None:
    address = f"localhost:{elsewhere.ports['ingest']}"
    env = {"VOXLOOM_INGEST_ADDRESS": address, "VOXLOOM_API_KEY": elsewhere.api_key}

    def ask(**more: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "voxloom.cli", "dataset", "list"]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ | env | more)

    assert ask(VOXLOOM_TLS_CA=str(authority)).returncode == 0
    wrong = ask(VOXLOOM_TLS_CA="public")
    assert wrong.returncode == 1
    assert "no encrypted connection to the ingest service" in wrong.stderr


def test_takes_land_in_the_other_store(elsewhere: Stack, authority: Path, corpus: Path) -> None:
    assert elsewhere.compose("ps", "--all", "--quiet", "minio").strip() == ""
    row = (corpus / "manifest.tsv").read_text().splitlines()[1].split("\t")
    take = recorder_pb2.Take(prompt=row[1], speaker="Ada", language="en")
    with tls_channel(elsewhere, authority, "recorder") as channel:
        stored = send_take(STUBS["recorder"](channel), take, (corpus / row[0]).read_bytes())
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://{published(server_name(elsewhere))}",
        aws_access_key_id="them",
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )
    found = s3.list_objects_v2(Bucket="elsewhere", Prefix="voices/raw/")["Contents"]
    assert f"{stored.utterance}.wav" in {item["Key"].rsplit("/", 1)[1] for item in found}


def published(container: str) -> str:
    command = ["docker", "port", container, "9000/tcp"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0]
