"""How fast synthetic speech is made, against the engine alone: python tests/bench/speaking.py

Each engine that is installed (Piper with the voices of --model) says the same clips both ways, chosen as
`voxloom tts` chooses them from its English sentences; rounds interleaved, medians:

  alone    the engine says each text, two at a time as voxloom does, and nobody listens: the limit
  voxloom  said, decoded, resampled, checked, and written as FLAC with a manifest
  tts      once: the whole command `voxloom tts` beside a real ingest process, which imports the clips
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from service_process import ServiceProcess

from voxloom import audio
from voxloom.cli.tts import EngineName, open_engine
from voxloom.errors import VoxloomError
from voxloom.synthesis.engine import Engine
from voxloom.synthesis.make import make
from voxloom.synthesis.plan import Clip, plan
from voxloom.synthesis.sentences import gather, prompts

LANGUAGE = "en"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", type=int, default=500, help="clips of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", choices=[each.value for each in EngineName], help="only this one")
    parser.add_argument(
        "--model", type=Path, action="append", default=[], help="a voice of Piper; repeatable"
    )
    args = parser.parse_args()
    found = dict(installed([EngineName(args.engine)] if args.engine else list(EngineName), args.model))
    for name, engine in found.items():
        report(name, engine, args.number, args.rounds)
        models = [f"--model={path}" for path in args.model] if name is EngineName.PIPER else []
        whole_s = command([f"--engine={name}", f"--count={args.number}", *models])
        print(f"  tts      {whole_s:7.2f} s, {args.number / whole_s:.0f} clips/s", flush=True)
    return 0 if found else 1


def installed(names: list[EngineName], models: list[Path]) -> Iterator[tuple[EngineName, Engine]]:
    for name in names:
        try:
            yield name, open_engine(name, tuple(models) if name is EngineName.PIPER else ())
        except VoxloomError as error:
            print(f"without {name}: {error}")


def report(name: EngineName, engine: Engine, number: int, rounds: int) -> None:
    voices = engine.voices(LANGUAGE)
    clips = list(plan(gather(prompts(LANGUAGE), LANGUAGE).texts, voices, engine.manners, number, 0))
    print(f"{name} {engine.version}, {number} clips of {len(voices)} voices, medians of {rounds} rounds")
    alone, ours, minutes = [], [], 0.0
    for _ in range(rounds):
        alone.append(timed(lambda: say(engine, clips)))
        with tempfile.TemporaryDirectory(prefix="voxloom-bench-") as folder:
            ours.append(timed(lambda: make(engine, clips, LANGUAGE, Path(folder), 0.1, lambda *_: None)))
            minutes = sum(length_s(path) for path in Path(folder).rglob("*.flac")) / 60
    for way, taken_s in (("alone", median(alone)), ("voxloom", median(ours))):
        speed = f"{number / taken_s:.0f} clips/s, {60 * minutes / taken_s:.0f} x real time"
        print(f"  {way:<8} {taken_s:7.2f} s, {speed}")
    print(f"  voxloom to {name} alone: {median(alone) / median(ours):.2f}; {minutes:.1f} minutes of speech")


def say(engine: Engine, clips: list[Clip]) -> None:
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(lambda clip: engine.speak(clip.text, clip.voice, clip.settings), clips):
            pass


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def length_s(path: Path) -> float:
    return audio.decode(path.read_bytes()).duration_s


def command(options: list[str]) -> float:
    """Seconds until all is imported."""
    with tempfile.TemporaryDirectory(prefix="voxloom-bench-") as folder:
        settings = {"bus": "memory://", "retrain_first": "10000000"}
        with ServiceProcess("ingest", Path(folder) / "store", **settings) as ingest:
            port = ingest.find(lambda line: "port" in line)["port"]
            environment = os.environ | {"VOXLOOM_INGEST_ADDRESS": f"127.0.0.1:{port}"}
            line = [sys.executable, "-m", "voxloom.cli", "tts", *options]
            return timed(lambda: subprocess.run(line, env=environment, check=True, capture_output=True))


if __name__ == "__main__":
    raise SystemExit(main())
