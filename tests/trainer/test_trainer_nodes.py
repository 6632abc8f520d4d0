"""Training on two machines, as far as the network goes: torchrun over gloo between two network namespaces."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from nodes import Node, torchrun, two_nodes, why_not
from test_trainer_ranks import SHARED, last_step, once, ranks_of
from trainer_bench import Bench
from trainer_maker import make_dataset

from services.trainer.checkpoint import Latest
from services.trainer.runs import submit
from voxloom import keys
from voxloom.jobs import Jobs
from voxloom.storage import exists, read_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[Node, Node]]:
    if reason := why_not():
        pytest.skip(reason)
    with two_nodes() as made:
        yield made


def test_two_nodes_do_what_one_process_with_the_doubled_batch_does(
    nodes: tuple[Node, Node], tmp_path: Path
) -> None:
    script = tmp_path / "shared.py"
    script.write_text(SHARED)
    for agent in torchrun(nodes, str(script), str(tmp_path)):
        said, _ = agent.communicate(timeout=300)
        assert agent.returncode == 0, said[-3000:]
    first, second = ((tmp_path / f"told-{rank}").read_text() for rank in (0, 1))
    assert first == second
    alone = Bench(tmp_path / "alone", threads=2, poison=once)
    alone.run()
    found = [float.fromhex(word) for word in first.split()][:-1]
    assert found == pytest.approx(alone.losses, rel=1e-4, nan_ok=True)


def test_a_rank_killed_on_the_other_node_resumes(nodes: tuple[Node, Node], tmp_path: Path) -> None:
    store, dataset, _ = make_dataset(tmp_path, clips=120)
    run_id = submit(store, Jobs(store), dataset, "smoke", seed=3, budget_minutes=0).run
    settings = {
        "VOXLOOM_STORE": tmp_path.as_uri(),
        "VOXLOOM_TRAIN_CHECKPOINT_S": "0",
        "VOXLOOM_TRAIN_THREADS": "1",
    }
    agents = torchrun(nodes, "-m", "services.trainer", "run", run_id, **settings)
    deadline = time.monotonic() + 300
    while not last_step(store, run_id):
        assert all(agent.poll() is None for agent in agents), agents[0].communicate()[0][-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(ranks_of(agents[1].pid)[-1], signal.SIGKILL)
    said = [agent.communicate(timeout=300)[0] for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], said[0][-2000:] + said[1][-2000:]
    assert "resumes at epoch" in "".join(said)
    assert "".join(said).count('"result"') == 1
    assert exists(store, keys.export_file(run_id, "export.json"))
    assert read_model(store, keys.checkpoint(run_id, "latest.json"), Latest).counters.epoch == 2
