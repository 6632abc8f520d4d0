"""`voxloom status`: the whole loop at a glance."""

from collections.abc import Callable
from typing import Any

import grpc
import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc

from voxloom.cli import dataset, models, runs
from voxloom.cli.connect import DataOption, client_at, find_addresses, open_channel
from voxloom.cli.output import JsonOption, clock, complain, percent, print_json, say, table, when
from voxloom.cli.runview import ENDED, state_name
from voxloom.datadir import SERVICES
from voxloom.errors import NotFound, NotReady, Unauthenticated, VoxloomError
from voxloom.v1 import ingest_pb2, optimizer_pb2

HEALTH_TIMEOUT_S = 3.0
QUERY_TIMEOUT_S = 10.0

_FULL_NAMES = {name: f"voxloom.v1.{name.capitalize()}Service" for name in SERVICES}


def status(json_: JsonOption = False, data: DataOption = None) -> None:
    """Show what is up, what is served, and what the loop does or waits for. Exit code 1 if a service is down.

    \b
    Example:  voxloom status
    """
    addresses = find_addresses(data)
    health = {name: check_health(name, addresses[name]) for name in SERVICES}
    found = {
        "services": {name: {"address": addresses[name], "health": health[name]} for name in SERVICES},
        "production": _ask(health, addresses, "optimizer", _production),
        "dataset": _ask(health, addresses, "ingest", _newest_dataset),
        "runs": _ask(health, addresses, "trainer", _open_runs),
        "retrain_policy": _ask(health, addresses, "ingest", _policy),
    }
    if json_:
        print_json(found)
    else:
        _show(found)
    if "down" in health.values():
        if not json_:
            complain("start the services with `voxloom up`, or say where they are: --data DIR")
        raise typer.Exit(1)


def check_health(service: str, address: str) -> str:
    """serving, waiting (up, but it cannot do its work yet), or down."""
    request = health_pb2.HealthCheckRequest(service=_FULL_NAMES[service])
    with open_channel(address) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=HEALTH_TIMEOUT_S)
        except grpc.RpcError:
            return "down"
    return "serving" if answer.status == health_pb2.HealthCheckResponse.SERVING else "waiting"


def _ask(
    health: dict[str, str], addresses: dict[str, str], service: str, question: Callable[[Any], Any]
) -> Any:
    """The answer, None if there is none; a fault stands in its place."""
    if health[service] == "down":
        return {"error": f"unknown, the {service} service is down"}
    try:
        with client_at(service, addresses[service]) as stub:
            return question(stub)
    except (NotFound, NotReady):
        return None
    except Unauthenticated:
        raise  # the other services would say the same
    except VoxloomError as error:
        return {"error": str(error)}


def _production(optimizer: Any) -> Any:
    return models.as_dict(optimizer.GetModel(optimizer_pb2.GetModelRequest(), timeout=QUERY_TIMEOUT_S))


def _newest_dataset(ingest: Any) -> Any:
    found = dataset.get(ingest)
    splits = {
        name: {"utterances": each.utterances, "hours": each.hours} for name, each in found.splits.items()
    }
    return {"dataset": found.id, "created_at": found.created_at, "splits": splits}


def _open_runs(trainer: Any) -> Any:
    found = [run for run in runs.all_runs(trainer) if run.state not in ENDED]
    return [
        {
            "run": run.id,
            "state": state_name(run.state),
            "epoch": run.latest.epoch,
            "epochs": run.latest.epochs,
            "eta_s": run.latest.eta_s,
            "best_val_wer": run.best_val_wer,
        }
        for run in found
    ]


def _policy(ingest: Any) -> Any:
    found = ingest.GetRetrainPolicy(ingest_pb2.GetRetrainPolicyRequest(), timeout=QUERY_TIMEOUT_S)
    return {
        "new_utterances": found.new_utterances,
        "needed_utterances": found.needed_utterances,
        "summary": found.summary,
    }


def _show(found: dict[str, Any]) -> None:
    services = found["services"]
    table(
        ("service", "health", "address"),
        ((n, services[n]["health"], services[n]["address"]) for n in SERVICES),
    )
    say()
    say(f"production  {_told(found['production'], _production_line, 'no model yet')}")
    say(f"dataset     {_told(found['dataset'], _dataset_line, 'none yet')}")
    say(f"training    {_told(found['runs'], _runs_line, 'nothing')}")
    say(f"retraining  {_told(found['retrain_policy'], lambda policy: policy['summary'], 'unknown')}")


def _told(value: Any, tell: Callable[[Any], str], otherwise: str) -> str:
    if not value:
        return otherwise
    return str(value["error"]) if isinstance(value, dict) and "error" in value else tell(value)


def _production_line(model: dict[str, Any]) -> str:
    low, high = model["test_wer_95"]
    wer = f"test WER {percent(model['test_wer'])} (95 %: {100 * low:.1f} to {100 * high:.1f})"
    return f"{model['model']}, {wer}, made {when(model['created_at'])}"


def _dataset_line(found: dict[str, Any]) -> str:
    splits = found["splits"]
    counts = ", ".join(
        f"{name} {splits[name]['utterances']}" for name in ("train", "val", "test") if name in splits
    )
    return f"{found['dataset']}: {counts} utterances, {when(found['created_at'])}"


def _runs_line(open_runs: list[dict[str, Any]]) -> str:
    return "; ".join(f"{run['run']} {run['state']}{_progress(run)}" for run in open_runs)


def _progress(run: dict[str, Any]) -> str:
    """Nothing until the first figures are there."""
    if not run["epochs"]:
        return ""
    return f", epoch {run['epoch']}/{run['epochs']}, ETA {clock(run['eta_s'])}"
