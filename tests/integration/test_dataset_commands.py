"""`voxloom dataset` against a real service: mixes, reports, pages, differences, refusals."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from embedded_process import Outcome, voxloom_here
from service_process import ServiceProcess
from voices import encoded, speech

pytestmark = pytest.mark.slow

Cli = Callable[..., Outcome]
HOSTILE = "<script>alert(1)</script>"
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven")


@pytest.fixture
def voxloom(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cli]:
    with ServiceProcess("ingest", tmp_path / "store", retrain_first="1000000") as process:
        port = process.find(lambda line: "port" in line)["port"]
        monkeypatch.setenv("VOXLOOM_INGEST_ADDRESS", f"127.0.0.1:{port}")
        yield partial(voxloom_here, monkeypatch)


def corpus(folder: Path, num_clips: int) -> str:
    """A manifest and clips of ten speakers, no two alike."""
    folder.mkdir()
    rows = ["path,text,speaker"]
    for index in range(num_clips):
        name = f"{index}.wav"
        (folder / name).write_bytes(encoded(speech(1.5, seed=index + 1), "WAV"))
        rows.append(f"{name},{NUMBERS[index % 7]} {NUMBERS[index // 7]} words,s{index % 10}")
    (folder / "manifest.csv").write_text("\n".join([*rows, ""]))
    return str(folder)


def test_from_a_mix_to_a_page(voxloom: Cli, tmp_path: Path) -> None:
    mix, html = tmp_path / "mix.yaml", tmp_path / "page.html"
    mix.write_text("name: small\nsources: {imported: {max: 12}, own: {min: 500}}\n")
    assert voxloom("import", corpus(tmp_path / "corpus", 40), "--corpus", HOSTILE).code == 0
    everything = json.loads(voxloom("dataset", "build", "--json").out)
    some = json.loads(voxloom("dataset", "build", "--mix", str(mix), "--json").out)
    held_out = [
        sum(each["splits"][split]["utterances"] for split in ("val", "test")) for each in (some, everything)
    ]
    assert some["splits"]["train"]["utterances"] == 12
    assert held_out[0] == held_out[1]
    assert some["mix_shortfalls"] == {"own": {"wanted": 500, "found": 0}}
    assert "own: 0 usable utterances, the mix wants 500" in voxloom("dataset", "show").out

    report = json.loads(voxloom("dataset", "report", "--json").out)["report"]
    counts = [source["utterances"] for split in report["by_split"].values() for source in split.values()]
    assert sum(counts) == 12 + held_out[0]
    told = json.loads(voxloom("text", "alphabet", "--dataset", "newest", "--split", "train", "--json").out)
    assert told["texts"] == 12
    assert list(report["characters"].items()) == [(x["character"], x["count"]) for x in told["characters"]]
    assert "who trains most" in voxloom("dataset", "report").out
    assert voxloom("dataset", "report", "--html", str(html)).code == 0
    assert HOSTILE not in html.read_text()
    assert "&lt;script&gt;" in html.read_text()

    datasets = (everything["dataset"], some["dataset"])
    went = everything["splits"]["train"]["utterances"] - 12
    diff = json.loads(voxloom("dataset", "diff", *datasets, "--json").out)
    assert (diff["moved"], [each["utterances"] for each in diff["changes"]]) == (0, [went])
    assert voxloom("dataset", "diff", *datasets, "--verbose").out.count("went  train  imported  ") == went


def test_a_source_that_lost_too_much_is_built_when_it_is_said_to(voxloom: Cli, tmp_path: Path) -> None:
    folder = corpus(tmp_path / "corpus", 20)
    for index in range(5):
        (tmp_path / "corpus" / f"{index}.wav").write_bytes(b"RIFF")
    assert voxloom("import", folder, "--max-refused", "0.5").code == 0
    refused = voxloom("dataset", "build")
    assert refused.code == 1
    assert "imported lost 5 of 20 clips (25%: 5 import_unreadable_audio)" in refused.err
    assert "--max-dropped" in refused.err
    built = json.loads(voxloom("dataset", "build", "--max-dropped", "0.3", "--json").out)
    assert built["max_dropped_fraction"] == 0.3
    assert voxloom("dataset", "build", "--mix", "nonsense").code == 1
