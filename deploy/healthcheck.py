"""Exit code 0 if the service in this container answers SERVING to the standard gRPC health check.

Runs every few seconds in every container, so it imports nothing of voxloom.
"""

import os
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT_S = 4.0
PORTS = {"recorder": 50051, "ingest": 50052, "trainer": 50053, "optimizer": 50054, "inference": 50055}


def main() -> int:
    service = os.environ["SERVICE"]
    port = os.environ.get(f"VOXLOOM_{service.upper()}_PORT") or PORTS[service]
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            request = health_pb2.HealthCheckRequest()
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        print(f"no answer on port {port}: {error.details()}")
        return 1
    print(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
    return 0 if answer.status == health_pb2.HealthCheckResponse.SERVING else 1


if __name__ == "__main__":
    sys.exit(main())
