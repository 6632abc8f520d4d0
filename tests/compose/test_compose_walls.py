"""What the containers may do, what they publish, and who is let in."""

import asyncio
import subprocess
from typing import Any

import aiohttp
import boto3
import botocore
import grpc
import pika
import pytest
from stack import Stack

from voxloom.datadir import SERVICES
from voxloom.v1 import inference_pb2, ingest_pb2, optimizer_pb2, recorder_pb2, trainer_pb2

pytestmark = pytest.mark.compose

CALLS: dict[str, Any] = {
    "recorder": lambda stub: stub.DeleteRecording(recorder_pb2.DeleteRecordingRequest(), timeout=10),
    "ingest": lambda stub: stub.GetRetrainPolicy(ingest_pb2.GetRetrainPolicyRequest(), timeout=10),
    "trainer": lambda stub: stub.ListRuns(trainer_pb2.ListRunsRequest(), timeout=10),
    "optimizer": lambda stub: stub.ListModels(optimizer_pb2.ListModelsRequest(), timeout=10),
    "inference": lambda stub: stub.GetServingModel(inference_pb2.GetServingModelRequest(), timeout=10),
}
ENGINES_OWN = {"C /usr", "C /usr/sbin", "A /usr/sbin/docker-init"}  # mounted by `init: true`


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout


def test_nothing_runs_as_root(stack: Stack) -> None:
    for container in stack.containers():
        assert container["Config"]["User"] not in ("", "0", "root"), container["Name"]
        if container["State"]["Running"]:
            uids = docker("top", container["Id"], "-eo", "uid,pid").splitlines()[1:]
            assert uids
            assert all(int(line.split()[0]) != 0 for line in uids), (container["Name"], uids)


def test_nothing_is_written_outside_of_volumes(stack: Stack) -> None:
    for container in stack.containers():
        assert container["HostConfig"]["ReadonlyRootfs"], container["Name"]
        mounts = [mount["Destination"] for mount in container["Mounts"]]
        parents = {f"{kind} {path}" for mount in mounts for path in ancestors(mount) for kind in "CA"}
        changed = set(docker("diff", container["Id"]).splitlines())
        assert changed <= ENGINES_OWN | parents, container["Name"]


def ancestors(path: str) -> list[str]:
    parts = path.strip("/").split("/")
    return ["/" + "/".join(parts[: index + 1]) for index in range(len(parts))]


@pytest.mark.parametrize("service", [*SERVICES, "gateway", "rabbitmq", "minio"])
def test_a_file_cannot_be_made_beside_the_program(stack: Stack, service: str) -> None:
    for folder in ("/", "/usr/bin", "/etc", "/opt"):
        done = stack.compose("exec", "-T", service, "sh", "-c", f"touch {folder}/x 2>&1; true")
        assert "Read-only file system" in done, (service, folder, done)


def test_every_container_is_confined_and_bounded(stack: Stack) -> None:
    for container in stack.containers():
        name, host = container["Name"], container["HostConfig"]
        assert host["CapDrop"] == ["ALL"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert not host["Privileged"]
        assert host["Memory"] > 0, name
        assert host["PidsLimit"] > 0, name
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}, name
        if container["State"]["Running"]:
            assert host["NanoCpus"] > 0 or host["CpuQuota"] > 0, name
            assert host["RestartPolicy"]["Name"] == "unless-stopped", name
            assert container["State"]["Health"]["Status"] == "healthy", name


def test_only_loopback_is_published(stack: Stack) -> None:
    published = [
        binding
        for container in stack.containers()
        for bindings in (container["NetworkSettings"]["Ports"] or {}).values()
        for binding in bindings or ()
    ]
    # gRPC; OpenAI's protocol and the studio; S3, AMQP and RabbitMQ's pages
    assert len(published) == len(SERVICES) + 2 + 3
    assert {binding["HostIp"] for binding in published} == {"127.0.0.1"}


def test_no_secret_stands_in_the_environment(stack: Stack) -> None:
    for container in stack.containers():
        told = " ".join([*container["Config"]["Env"], *map(str, container["Args"])])
        for secret in (stack.api_key, stack.s3_key, stack.bus_password):
            assert secret not in told, container["Name"]


def test_secrets_are_long_and_each_its_own(stack: Stack) -> None:
    secrets = {stack.api_key, stack.s3_key, stack.bus_password}
    assert len(secrets) == 3
    assert all(len(secret) == 64 for secret in secrets)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("key", ["", "0123456789abcdef0123456789abcdef"])
def test_grpc_refuses_a_missing_and_a_wrong_key(stack: Stack, service: str, key: str) -> None:
    with stack.client(service, key) as stub, pytest.raises(grpc.RpcError) as error:
        CALLS[service](stub)
    assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]


def test_the_studio_wants_the_key_and_reaches_every_service(stack: Stack) -> None:
    base = f"http://127.0.0.1:{stack.studio_port}"

    async def look() -> None:
        async with aiohttp.ClientSession(base, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            assert (await session.get("/")).status == 200
            assert (await session.get("/services")).status == 401
            assert (await session.post("/session", json={"key": "wrong" * 8})).status == 401
            assert (await session.post("/session", json={"key": stack.api_key})).status == 200
            found = await (await session.get("/services")).json()
            assert found["recorder"] == "serving"
            assert "down" not in found.values()
            asked = {"list": "english", "speaker": "nobody"}
            told = await (await session.post("/rpc/recorder/GetProgress", json=asked)).json()
            assert told["sounds_by"] == "espeak-ng"  # its image has it

    asyncio.run(look())


def test_s3_refuses_a_wrong_key_and_strangers(stack: Stack) -> None:
    anonymous = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{stack.s3_port}",
        region_name="us-east-1",
        config=botocore.config.Config(signature_version=botocore.UNSIGNED),
    )
    for client in (anonymous, stack.s3("wrong"), stack.s3("minioadmin")):
        for call in (
            lambda client=client: client.list_objects_v2(Bucket="voxloom"),
            lambda client=client: client.put_object(Bucket="voxloom", Key="raw/x", Body=b"x"),
            lambda client=client: client.get_object(Bucket="voxloom", Key="models/production.json"),
        ):
            with pytest.raises(botocore.exceptions.ClientError) as error:
                call()
            assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_the_store_answers_on_no_other_port(stack: Stack) -> None:
    """SeaweedFS has ports that ask for no credentials; no other container may reach them."""
    probe = (
        "import socket\n"
        "for port in (8888, 9333, 8080, 18888, 19333, 9001):\n"
        "    with socket.socket() as s:\n"
        "        s.settimeout(2)\n"
        "        print(port, s.connect_ex(('minio', port)) == 0)\n"
    )
    told = stack.compose("exec", "-T", "recorder", "python", "-c", probe)
    assert "True" not in told


@pytest.mark.parametrize(("user", "password"), [("voxloom", "wrong"), ("guest", "guest"), ("voxloom", "")])
def test_the_broker_refuses_wrong_passwords_and_guests(stack: Stack, user: str, password: str) -> None:
    given = pika.PlainCredentials(user, password)
    where = pika.ConnectionParameters("127.0.0.1", stack.amqp_port, credentials=given)
    with pytest.raises((pika.exceptions.ProbableAuthenticationError, pika.exceptions.AuthenticationError)):
        pika.BlockingConnection(where)
    stack.broker().close()
