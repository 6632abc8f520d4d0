"""Exit code 0 if the service in this container answers SERVING to the standard gRPC health check."""

import os
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from voxloom.datadir import DEFAULT_PORT_BASE, SERVICES

TIMEOUT_S = 4.0


def port_of(service: str) -> int:
    chosen = os.environ.get(f"VOXLOOM_{service.upper()}_PORT")
    return int(chosen) if chosen else DEFAULT_PORT_BASE + SERVICES.index(service)


def main() -> int:
    address = f"127.0.0.1:{port_of(os.environ['SERVICE'])}"
    try:
        with grpc.insecure_channel(address) as channel:
            request = health_pb2.HealthCheckRequest()
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        print(f"no answer at {address}: {error}")
        return 1
    print(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
    return 0 if answer.status == health_pb2.HealthCheckResponse.SERVING else 1


if __name__ == "__main__":
    sys.exit(main())
