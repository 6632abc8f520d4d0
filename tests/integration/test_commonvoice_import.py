"""`voxloom import commonvoice` over real gRPC, to a service that notes what it is sent."""

import io
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from commonvoice_maker import Made, Wish, make_release
from embedded_process import Outcome, voxloom_here

from voxloom.corpora.archive import ArchiveLimits
from voxloom.corpora.commonvoice import read_release, release_limits
from voxloom.corpora.members import from_stream
from voxloom.corpora.selection import Selection
from voxloom.v1 import ingest_pb2, ingest_pb2_grpc

pytestmark = pytest.mark.slow
LIMITS = release_limits(ArchiveLimits())


@dataclass
class Noted(ingest_pb2_grpc.IngestServiceServicer):
    """Takes in nothing; says that all is done."""

    spec: ingest_pb2.ImportSpec = field(default_factory=ingest_pb2.ImportSpec)
    tar: bytes = b""
    refuses: bool = False

    def ImportCorpus(self, requests: Iterator[Any], context: grpc.ServicerContext) -> ingest_pb2.Job:
        self.spec = next(requests).spec
        if self.refuses:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no room; delete something")
        self.tar = b"".join(each.tar for each in requests)
        return ingest_pb2.Job(id="j1", kind="import")

    def WatchJob(self, request: Any, context: grpc.ServicerContext) -> Iterator[ingest_pb2.Job]:
        yield ingest_pb2.Job(
            id="j1",
            kind="import",
            state=ingest_pb2.JOB_STATE_DONE,
            accepted_utterances=7,
            refused_utterances=1,
            refused_by_reason={"silent": 1},
            not_selected_by_reason={"max_clips": 12},
        )


@dataclass
class Cli:
    noted: Noted
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *arguments: str) -> Outcome:
        return voxloom_here(self.monkeypatch, "import", "commonvoice", *arguments)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    server = grpc.server(ThreadPoolExecutor(4))
    noted = Noted()
    ingest_pb2_grpc.add_IngestServiceServicer_to_server(noted, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("VOXLOOM_INGEST_ADDRESS", f"127.0.0.1:{port}")
    yield Cli(noted, monkeypatch)
    server.stop(None).wait()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_release(tmp_path_factory.mktemp("release"))


def clips_in(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as archive:
        files = {each.name: archive.extractfile(each).read() for each in archive}  # type: ignore[union-attr]
    return {Path(name).name: content for name, content in files.items() if name.endswith(".mp3")}


def chosen_from(data: bytes, wish: Selection) -> set[str]:
    with from_stream(io.BytesIO(data), LIMITS) as members, read_release(members, LIMITS) as release:
        return {entry.path for _, entry in release.select(wish).entries()}


def test_what_is_sent_is_what_is_wanted_and_the_service_would_choose_the_same(cli: Cli, made: Made) -> None:
    done = cli(
        str(made.path), "--max-clips", "5", "--max-test-clips", "2", "--seed", "3", "--max-down-votes", "1"
    )
    assert done.code == 0, done.err
    spec = cli.noted.spec
    assert (spec.corpus, spec.language) == (made.name, "en")
    assert spec.format == ingest_pb2.CORPUS_FORMAT_COMMONVOICE
    assert spec.source == ingest_pb2.CORPUS_SOURCE_COMMONVOICE
    expected = ingest_pb2.Selection(max_clips=5, max_test_clips=2, seed=3, max_down_votes=1)
    assert spec.selection == expected
    clips = clips_in(cli.noted.tar)
    assert len(clips) == 5 + 2 + 2
    whole = clips_in(made.path.read_bytes())
    assert clips.items() <= whole.items()
    wish = Selection(max_clips=5, max_test_clips=2, seed=3, max_down_votes=1)
    assert chosen_from(cli.noted.tar, wish) == set(clips)
    assert len(set(clips) & set(made.clips["test"])) == 2
    assert len(set(clips) & set(made.clips["train"])) == 5


def test_counts_are_printed_with_their_rules(cli: Cli, made: Made) -> None:
    printed = cli(str(made.path), "--max-clips", "5").out
    assert f"{made.name}: 15 of 38 clips are wanted" in printed
    assert "12            max_clips" in printed
    assert "1        silent" in printed
    assert "7 utterances imported, 1 refused (job j1)" in printed


def test_an_unpacked_release_sends_the_same(cli: Cli, made: Made, tmp_path: Path) -> None:
    assert cli(str(made.path), "--max-clips", "5").code == 0
    from_archive, spec = clips_in(cli.noted.tar), cli.noted.spec
    with tarfile.open(made.path) as archive:
        archive.extractall(tmp_path, filter="data")
    for folder in (
        tmp_path,
        tmp_path / made.name.removesuffix("-en"),
        tmp_path / made.name.removesuffix("-en") / "en",
    ):
        done = cli(str(folder), "--max-clips", "5")
        assert done.code == 0, done.err
        assert clips_in(cli.noted.tar) == from_archive
        assert cli.noted.spec == spec


@pytest.mark.parametrize(
    ("origin", "options", "corpus", "language"),
    [
        ("s3://corpora/a/cv-corpus-17.0-2024-03-15-cy.tar.gz", [], "cv-corpus-17.0-2024-03-15-cy", "cy"),
        (
            "mounted:cv-corpus-17.0-2024-03-15/rm-sursilv",
            [],
            "cv-corpus-17.0-2024-03-15-rm-sursilv",
            "rm-sursilv",
        ),
        ("mounted:old/cy.tar.gz", ["--language", "cy"], "cy", "cy"),
    ],
)
def test_of_an_archive_elsewhere_only_its_place_is_sent(
    cli: Cli, origin: str, options: list[str], corpus: str, language: str
) -> None:
    done = cli(origin, "--gender", "female", "--unbalanced", *options)
    assert done.code == 0, done.err
    spec = cli.noted.spec
    assert (spec.origin, spec.corpus, spec.language) == (origin, corpus, language)
    assert spec.selection == ingest_pb2.Selection(genders=["female"], unbalanced=True)
    assert cli.noted.tar == b""


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ([], "give the path of a release, or --dataset ID"),
        (["gone.tar.gz"], "gone.tar.gz does not exist"),
        (["{release}", "--dataset", "x"], "give the path of a release, or --dataset ID"),
        (["{release}", "--gender", "femail"], "no clip has gender 'femail'"),
        (["{release}", "--max-hours", "inf"], "--max-hours: "),
        (["{release}", "--age", "nineties", "--max-test-clips", "1", "--min-up-votes", "99"], ""),
        (["mounted:x.tar"], "add --language"),
        ([str(Path(__file__))], "the archive cannot be read"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(cli: Cli, made: Made, arguments: list[str], match: str) -> None:
    done = cli(*(each.format(release=made.path) for each in arguments))
    assert done.code == (1 if match else 0), done.out
    assert match in done.err
    assert len(done.err.splitlines()) <= 1


def test_a_wish_that_no_clip_fulfils_shows_the_rules(cli: Cli, tmp_path: Path) -> None:
    delta = make_release(tmp_path, Wish(delta=True, train=10, dev=0, test=0))
    done = cli(str(delta.path), "--min-up-votes", "99")
    assert done.code == 1
    assert "10            votes" in done.out
    assert "no clip of cv-corpus-17.0-delta-2024-03-15-en fits all that is asked for" in done.err


def test_a_service_that_refuses_is_heard(cli: Cli, made: Made) -> None:
    cli.noted.refuses = True
    done = cli(str(made.path))
    assert done.code == 1
    assert "no room; delete something" in done.err
    assert "Traceback" not in done.err


def test_an_archive_that_is_cut_off_sends_nothing(cli: Cli, made: Made, tmp_path: Path) -> None:
    cut = tmp_path / made.path.name
    cut.write_bytes(made.path.read_bytes()[:-2000])
    done = cli(str(cut))
    assert done.code == 1
    assert "cut off" in done.err
    assert cli.noted.tar == b""


@pytest.mark.parametrize("arguments", [["--help"], ["commonvoice", "--help"]])
def test_help_shows_both_imports(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    shown = voxloom_here(monkeypatch, "import", *arguments).out
    assert "Example:  voxloom import" in shown
    assert ("--keep-split" in shown) != ("--max-clips" in shown)
    assert "commonvoice" in shown
