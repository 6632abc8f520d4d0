"""`voxloom store`: how much lies in a store, what of it can go, its backup, and the way back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from voxloom import store_backup, store_usage
from voxloom.cli.output import JsonOption, Meter, complain, plain, print_json, say, size, table, when
from voxloom.cli.places import DataOption, Place, held, other_place, the_store
from voxloom.errors import BadInput, VoxloomError
from voxloom.storage import ObjectStore
from voxloom.store_copy import Outcome
from voxloom.store_usage import Amount, Deletable, Inventory, Rules

INCOMPLETE = 3  # the exit code of a backup that lacks what kept changing
_SHOWN = 20
_PLACES = "A folder, file:///folder, or s3://bucket[/prefix]?endpoint=http://host:port."
_YES = Annotated[bool, typer.Option("--yes", help="Do it without asking what is asked for safety.")]

app = typer.Typer(
    no_args_is_help=True, help="Look at a store, tidy it up, back it up, restore it.", rich_markup_mode=None
)


@app.command()
def usage(json_: JsonOption = False, data: DataOption = None) -> None:
    """Show how much lies in the store, by kind of thing, and what of it can be deleted without loss.

    That is: checkpoints of runs that have ended, and shards of datasets that no open run needs, but for the
    newest one. Neither is looked at before an hour has passed. Services may run meanwhile.

    \b
    Example:  voxloom store usage
              VOXLOOM_STORE='s3://voxloom?endpoint=http://minio:9000' voxloom store usage --json
    """
    place = the_store(data)
    store = place.open()
    inventory = store_usage.take_inventory(store)
    try:
        found, fault = _deletable(store, inventory), ""
    except BadInput as error:
        found, fault = [], str(error)
    if json_:
        print_json(_usage_as_dict(place, inventory, found, fault))
        return
    table(("kind", "objects", "size"), _usage_rows(inventory))
    say()
    if fault:
        say(f"what can be deleted is unknown: {fault}", "yellow")
    else:
        _show_deletable(found, "can be deleted with `voxloom store prune`")


@app.command()
def prune(
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it the list is only shown.")] = False,
    data: DataOption = None,
) -> None:
    """Delete what `voxloom store usage` says can be deleted; without --yes, only list it.

    Never touched are recordings, manifests (the gate measures on them), models, jobs, and what an open run
    needs. Services may run meanwhile: what a run needs is asked again before each object is deleted. Shards
    come back when the same dataset is built again; a run on a dataset without shards is refused.

    \b
    Example:  voxloom store prune
              voxloom store prune --yes
    """
    store = the_store(data).open()
    inventory = store_usage.take_inventory(store)
    rules = Rules(store, inventory.datasets, time.time())
    found = store_usage.find_deletable(inventory, rules)
    if not (found and yes):
        _show_deletable(found, "would be deleted; nothing was, to do it: voxloom store prune --yes")
        return
    with _metered("deleting") as progress:
        total, done = sum(item.amount.bytes for item in found), Amount()

        def count(num_bytes: int) -> None:
            done.add(num_bytes)
            progress(done.bytes, total)

        deleted = store_usage.prune(store, rules, found, count)
    say(f"{deleted.objects} objects deleted, {size(deleted.bytes)}", "green")


@app.command()
def backup(
    target: Annotated[str, typer.Argument(help=_PLACES)],
    prune: Annotated[
        bool, typer.Option("--prune", help="Also delete at TARGET what is gone from the store.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read everything at both ends and compare it; slow.")
    ] = False,
    yes: _YES = False,
    data: DataOption = None,
) -> None:
    """Copy the store to TARGET; done again, it copies what is new. Services may run meanwhile.

    Keys for an S3 target: VOXLOOM_BACKUP_S3_ACCESS_KEY and VOXLOOM_BACKUP_S3_SECRET_KEY, or the same with
    _FILE. A backup that breaks off leaves the older one usable; start it again and it goes on. It is laid out
    as a store is, so other tools can copy it further.

    With --prune recordings that were withdrawn leave the backup as well. It refuses to delete more than half
    of it without --yes. --yes also makes a backup into a place that holds another store's.

    Exit code: 0 all of the store is there, 3 all but what kept changing, 1 failed, or --verify found damage.

    \b
    Example:  voxloom store backup /backup/voxloom --prune
              voxloom store backup 's3://backups/voxloom?endpoint=https://s3.example.org' --prune --verify
    """
    source, place = the_store(data), other_place(target)
    store_backup.check_apart(source.url, place.url)
    opened, opened_target = source.open(), place.open(make=True)
    with held(place), _metered("backing up") as progress:
        outcome = store_backup.back_up(
            opened, opened_target, source.url, progress, prune=prune, verify=verify, yes=yes
        )
    _tell(outcome, f"backed up to {place.url}")


@app.command()
def restore(
    source: Annotated[str, typer.Argument(help=_PLACES)],
    yes: _YES = False,
    data: DataOption = None,
) -> None:
    """Copy a backup into the store named by --data or VOXLOOM_STORE. Stop the services first.

    It refuses a store that holds anything else than this backup; --yes overwrites what differs and leaves the
    rest. A restore that breaks off goes on when it is started again. Work that was under way when the backup
    was made goes on as well: a training from its last checkpoint. What was withdrawn with `voxloom forget` is
    not brought back, as far as the store or the backup know of it.

    \b
    Example:  voxloom store restore /backup/voxloom --data ~/voices
              VOXLOOM_STORE='s3://voxloom?endpoint=http://minio:9000' voxloom store restore /backup/voxloom
    """
    place, target = other_place(source), the_store(data)
    store_backup.check_apart(place.url, target.url)
    opened = place.open()
    if mark := store_backup.read_mark(opened):
        whole = f"as of {when(mark.completed_at)}" if mark.completed_at else "not one that ran to its end"
        say(f"a backup of {mark.source}, {whole}")
    opened_target = target.open(make=True)
    with held(target), _metered("restoring") as progress:
        outcome = store_backup.restore(opened, opened_target, progress, yes=yes)
    _tell(outcome, f"restored to {target.url}")


def _deletable(store: ObjectStore, inventory: Inventory) -> list[Deletable]:
    return store_usage.find_deletable(inventory, Rules(store, inventory.datasets, time.time()))


def _usage_rows(inventory: Inventory) -> Iterator[tuple[object, ...]]:
    for kind, amount in [*sorted(inventory.kinds.items()), ("all", _total(inventory))]:
        yield kind, amount.objects, size(amount.bytes)


def _total(inventory: Inventory) -> Amount:
    amounts = inventory.kinds.values()
    return Amount(sum(each.objects for each in amounts), sum(each.bytes for each in amounts))


def _usage_as_dict(place: Place, inventory: Inventory, found: list[Deletable], fault: str) -> dict[str, Any]:
    return {
        "store": place.url,
        "total": vars(_total(inventory)),
        "kinds": {kind: vars(amount) for kind, amount in sorted(inventory.kinds.items())},
        "deletable": [{"prefix": item.prefix, "why": item.why, **vars(item.amount)} for item in found],
        "deletable_error": fault,
    }


def _show_deletable(found: list[Deletable], what: str) -> None:
    if not found:
        say("nothing can be deleted without loss")
        return
    rows = ((size(item.amount.bytes), item.amount.objects, item.prefix, item.why) for item in found)
    table(("size", "objects", "folder", "why"), rows)
    say(f"{size(sum(item.amount.bytes for item in found))} {what}", "bold")


@contextmanager
def _metered(label: str) -> Iterator[store_backup.Progress]:
    with Meter(label) as meter:
        yield lambda done, total: meter.update(done, total, f"{size(done)} of {size(total)}")


def _tell(outcome: Outcome, what: str) -> None:
    """The counts; VoxloomError for damage, exit code 3 for what could not be settled."""
    deleted = f", {outcome.deleted} deleted" if outcome.deleted else ""
    copied = f"{outcome.copied} objects copied ({size(outcome.copied_bytes)})"
    say(f"{what}: {copied}, {outcome.kept} were there{deleted}", "green")
    if outcome.vanished:
        say(f"{outcome.vanished} went or were replaced while they were copied, and were looked at again")
    if outcome.withdrawn:
        say(
            f"{outcome.withdrawn} recordings of the backup have been withdrawn and were not brought back; "
            "copies of them in datasets go when ingest starts",
            "yellow",
        )
    if outcome.damaged:
        raise VoxloomError(
            f"{len(outcome.damaged)} objects differ between store and backup though they never change: "
            f"{plain(', '.join(outcome.damaged[:_SHOWN]))}. One of the two is damaged and neither was "
            "overwritten: find out which (raw/*.json, bundle.json and export.json tell the sha256), delete "
            "that one, and copy it from the other"
        )
    if outcome.unsettled:
        complain(f"not copied, for it kept changing: {', '.join(outcome.unsettled[:_SHOWN])}; do it again")
        raise typer.Exit(INCOMPLETE)
