"""Random messages for every protocol of inference: answers by kind, seconds, and memory before and after.

Prints one line a protocol: cases, seconds, how they were answered; then the resident memory of the service
after the first tenth and at the end. Fails at the first case that is not answered clearly, with its seed.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from fuzzing import SENDERS
from protocol_process import promote, speaking
from service_process import ServiceProcess


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=10_000, help="of each protocol")
    parser.add_argument("--seed", type=int, default=0, help="of the first case; the others count up")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        promote(Path(folder) / "store", "m-a")
        with speaking(Path(folder) / "store") as process:
            for protocol in SENDERS:
                fuzz(process, protocol, arguments.seed, arguments.cases)


def fuzz(process: ServiceProcess, protocol: str, seed: int, cases: int) -> None:
    answers: Counter[str] = Counter()
    began_s, early_mb = time.monotonic(), 0.0
    for number in range(cases):
        answers[SENDERS[protocol](process, seed + number)] += 1
        if number == cases // 10:
            early_mb = resident_mb(process)
    told = ", ".join(f"{count} {answer}" for answer, count in answers.most_common())
    print(f"{protocol:<8} {cases} cases in {time.monotonic() - began_s:.0f} s: {told}")
    errors = [line for line in process.log if line.get("level") == "error"]
    print(
        f"{'':<8} memory {early_mb:.0f} -> {resident_mb(process):.0f} MB, {len(errors)} errors in the log",
        flush=True,
    )
    assert not errors, errors[:3]


def resident_mb(process: ServiceProcess) -> float:
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


if __name__ == "__main__":
    main()
