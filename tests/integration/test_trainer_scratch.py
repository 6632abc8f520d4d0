import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from services.trainer.scratch import scratch, sweep

HOLDER = """
import time
from services.trainer.scratch import scratch
with scratch() as folder:
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_folder_lives_as_long_as_its_run(tmp_path: Path) -> None:
    with scratch() as folder:
        (folder / "clips").write_bytes(b"x")
        assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_goes_and_what_a_living_one_holds_stays(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"TMPDIR": str(tmp_path)})
    assert other.stdout is not None
    held = Path(other.stdout.readline().strip())
    (tmp_path / "somebody-elses").mkdir()
    sweep(tmp_path)
    assert held.exists()
    other.kill()
    other.communicate()
    with scratch() as folder:
        assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "somebody-elses", folder])
