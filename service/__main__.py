"""The command line: ``cementwatch``."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from db.connect import StoreFailure, connect
from db.deliveries import Stage, settle_refused
from db.journal import Journal
from detection.phantom.scene import SCENARIOS, Scene
from dicom_gateway.compose import Form, study_of, write_phantom
from dicom_gateway.faults import Fault, Faults, disturbed, faults_from
from dicom_gateway.peer import Peer, echo
from dicom_gateway.refusal import Unreachable
from dicom_gateway.sender import due_from_folder, send
from service import accounts, recordings, replays, roles
from service import demo as demonstration
from service.api.wire import SAFETY_WORDS
from service.clinical import command as clinical
from service.entrance import secured
from service.exposure import TooExposed
from service.logs import start_logging
from service.orthanc import OrthancUnreachable, StudyNotFound, fetch_study
from service.score.command import score_sets
from service.score.sets import drawn as varied
from service.settings import Settings
from service.settings_log import os_user


@click.group(epilog=SAFETY_WORDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(context: click.Context) -> None:
    """Watch the fluoroscopy of a vertebroplasty for bone cement that leaks."""
    if context.resilient_parsing:
        return
    try:
        context.obj = Settings()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise click.ClickException(f"settings: {wrong}") from None


main.add_command(accounts.user)
main.add_command(accounts.token)
main.add_command(score_sets)
for each in (
    clinical.audit_table,
    clinical.cohort,
    clinical.import_records,
    clinical.export_records,
    clinical.simulate_records,
    clinical.import_redcap,
    clinical.export_redcap,
):
    main.add_command(each)
for each in (
    recordings.export,
    recordings.write_bundle,
    recordings.replay,
    recordings.compare_journals,
    recordings.batch,
    recordings.make_objects,
):
    main.add_command(each)


@main.command("all")
@click.pass_obj
def run_all(settings: Settings) -> None:
    """Run and supervise all roles on this machine."""
    start_logging("all")
    with _told_to_people():
        roles.run_all(settings)


@main.command()
@click.pass_obj
def receive(settings: Settings) -> None:
    """Receive DICOM objects into the spool."""
    start_logging("receive")
    roles.run_receive(settings)


@main.command()
@click.pass_obj
def watch(settings: Settings) -> None:
    """Judge what the spool holds and write the journal."""
    start_logging("watch")
    roles.run_watch(settings)


@main.command()
@click.pass_obj
def serve(settings: Settings) -> None:
    """Serve alerts, logs and the page over HTTP."""
    start_logging("serve")
    with _told_to_people():
        roles.run_serve(settings)


@main.command()
@click.option("--retry", metavar="ARCHIVE", help="Send once more what this archive has refused, and end.")
@click.option("--dismiss", metavar="ARCHIVE", help="Give up what this archive has refused, and end: it may be removed.")
@click.pass_obj
def forward(settings: Settings, retry: str | None, dismiss: str | None) -> None:
    """Forward every stored object to the archives of the settings."""
    if retry or dismiss:
        click.echo(_settle_refused(settings, retry, dismiss))
        return
    start_logging("forward")
    roles.run_forward(settings)


def _settle_refused(settings: Settings, retry: str | None, dismiss: str | None) -> str:
    name, state = (retry, Stage.WAITING) if retry else (dismiss or "", Stage.DISMISSED)
    if (retry and dismiss) or name not in {archive.name for archive in settings.archives}:
        raise click.UsageError("expected --retry or --dismiss with the name of an archive of the settings")
    try:
        engine = connect(settings.journal_url)
        n_settled = settle_refused(engine, name, state, at=time.time(), who=f"os:{os_user()}")
    except StoreFailure as failure:
        raise click.ClickException(str(failure)) from None
    return f"{n_settled} objects {'will be sent again' if retry else 'are given up'}"


@main.command()
@click.pass_obj
def mirror(settings: Settings) -> None:
    """Tell webhook, MQTT broker and HL7 receiver of alerts, as far as they are set."""
    start_logging("mirror")
    roles.run_mirror(settings)


@main.command("play-replay", hidden=True)
@click.argument("id")
@click.pass_obj
def play_replay(settings: Settings, id: str) -> None:
    """Send one queued replay; started by the HTTP role."""
    start_logging("replay")
    replays.play_replay(settings, connect(settings.journal_url), id, now=time.time, sleep=time.sleep)


@main.command()
@click.option("--scene", type=click.Choice(sorted(SCENARIOS)), default="canal_leak", show_default=True)
@click.option("--seed", type=int, help="Another patient and other noise.")
@click.option("--drawn", is_flag=True, help="As the tune set of the scorecard draws the story for this seed.")
@click.option(
    "--as", "form", type=click.Choice([form.value for form in Form]), default=Form.XA.value, show_default=True
)
@click.option(
    "--ct",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a CT with labels as the patient.",
)
@click.option("--level", help="Vertebra of the CT to treat, such as L1.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write into.")
def phantom(
    scene: str, seed: int | None, drawn: bool, form: str, ct: Path | None, level: str | None, out: Path
) -> None:
    """Write a phantom procedure as DICOM objects, with the truth beside them."""
    story = varied("tune", scene, seed or 0) if drawn else SCENARIOS[scene]
    truth = write_phantom(_scene(story, ct, level), out, seed=seed, as_=form, started_at=time.time())
    click.echo(f"{len(list(out.glob('*.dcm')))} objects and {truth.name} in {out}")


@main.command("send")
@click.option("--phantom", "scene", type=click.Choice(sorted(SCENARIOS)), help="Play a phantom scene.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Play the DICOM objects of a folder.",
)
@click.option("--study", help="Play a study from Orthanc, by its Study Instance UID.")
@click.option("--to", "address", default="127.0.0.1:11112", show_default=True, help="Receiver, host:port.")
@click.option("--called", default="CEMENTWATCH", show_default=True, help="AE title of the receiver.")
@click.option("--calling", default="PHANTOM", show_default=True, help="Our AE title; the name of the source.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Times the original pace.",
)
@click.option("--unpaced", is_flag=True, help="As fast as possible.")
@click.option("--tls", "is_secured", is_flag=True, help="Over TLS, with the certificate of the settings.")
@click.option("--seed", type=int, help="Seed of the phantom.")
@click.option("--orthanc", "orthanc_url", help="Orthanc's address, if not the one of the settings.")
@click.option(
    "--fault", "faults", multiple=True, metavar="NAME=SHARE", help="Something that goes wrong; docs/replay.md."
)
@click.option("--fault-seed", type=int, default=0, show_default=True, help="Which objects it happens to.")
@click.pass_obj
def send_objects(
    settings: Settings,
    /,
    address: str,
    called: str,
    calling: str,
    speed: float,
    unpaced: bool,
    is_secured: bool,
    faults: tuple[str, ...],
    fault_seed: int,
    **origin: Any,
) -> None:
    """Play a phantom, a folder or an Orthanc study over C-STORE at its original pace."""
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        raise click.BadParameter("expected host:port", param_hint="--to")
    peer = Peer(host=host or "127.0.0.1", port=int(port), called=called, calling=calling)
    if is_secured:
        if settings.credentials is None:
            raise click.UsageError(
                "--tls needs the settings dicom_tls_certificate, dicom_tls_key, dicom_tls_authorities"
            )
        peer = secured(peer, settings)
    sys.exit(_play(_due(settings, **origin), peer, None if unpaced else speed, _faults(faults, fault_seed)))


def _play(due: Any, peer: Peer, speed: float | None, faults: Faults) -> bool:
    """Send and say what came of it; whether an object was refused to which nothing was done on purpose."""
    n_sent, n_refused, made = 0, 0, Counter[Fault]()
    try:
        with tempfile.TemporaryDirectory(prefix="cementwatch-faults-") as scratch:
            spoilt = disturbed(due, faults, Path(scratch), made)
            for sent in send(spoilt, peer, speed=speed, clock=time.time, sleep=time.sleep):
                n_sent += 1
                n_refused += sent.status != 0 and sent.fault is None
                if sent.fault is not None:
                    answer = "no answer" if sent.status is None else f"answered 0x{sent.status:04X}"
                    click.echo(f"{sent.fault}: {answer}")
    except (Unreachable, OrthancUnreachable, StudyNotFound) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{n_sent} objects sent, {n_refused} refused")
    if made:
        click.echo("on purpose: " + ", ".join(f"{n} {fault}" for fault, n in sorted(made.items())))
    return n_refused > 0


def _faults(words: tuple[str, ...], seed: int) -> Faults:
    try:
        return faults_from(words, seed)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from None


@main.command()
@click.pass_obj
def verify(settings: Settings) -> None:
    """Check that no line of the journal was altered, removed or reordered."""
    try:
        journal = Journal(connect(settings.journal_url))
        broken = journal.verify()
    except StoreFailure as failure:
        raise click.ClickException(str(failure)) from None
    if broken is not None:
        click.echo(f"line {broken.number}: {broken.reason}")
        sys.exit(1)
    click.echo(f"{journal.head()} lines, unbroken")


@main.command("echo")
@click.pass_obj
def echo_receiver(settings: Settings) -> None:
    """Ask the receiver of these settings for a C-ECHO."""
    peer = Peer(host=settings.dicom_host, port=settings.dicom_port, called=settings.ae_title, calling="CEMENTWATCH")
    if not echo(secured(peer, settings)):
        raise click.ClickException(f"no answer at port {settings.dicom_port}")
    click.echo("the receiver answers")


@main.command("check")
@click.pass_obj
def check_settings(settings: Settings) -> None:
    """Say in words what is wrong with the settings, and ask each peer for a C-ECHO; exit 1 when something is."""
    from service.check import check

    n_wrong = 0
    for each in check(settings):
        n_wrong += not each.is_well
        click.echo(f"{'ok   ' if each.is_well else 'WRONG'}  {each.about}: {each.words}")
    click.echo("nothing is wrong" if n_wrong == 0 else f"{n_wrong} to be mended")
    sys.exit(n_wrong > 0)


@main.command()
@click.option("--keep", is_flag=True, help="Leave everything running afterwards.")
def demo(keep: bool) -> None:
    """Play two phantom procedures through the whole system and report what it made of them."""
    sys.exit(demonstration.run(keep=keep, say=click.echo, now=time.time, sleep=time.sleep))


@contextmanager
def _told_to_people() -> Iterator[None]:
    """What must be mended before it can start, as one sentence."""
    try:
        yield
    except TooExposed as refusal:
        raise click.ClickException(str(refusal)) from None


def _scene(story: Scene, ct: Path | None, level: str | None) -> Scene:
    if ct is None:
        return story
    from service.scan import scene_from_folder

    return scene_from_folder(ct, story, level=level)


def _due(
    settings: Settings,
    scene: str | None,
    folder: Path | None,
    study: str | None,
    seed: int | None,
    orthanc_url: str | None,
) -> Any:
    if [scene, folder, study].count(None) != 2:
        raise click.UsageError("expected one of --phantom, --folder and --study")
    if scene is not None:
        return study_of(SCENARIOS[scene], seed=seed, started_at=time.time())
    if folder is not None:
        return due_from_folder(folder)
    fetched = settings.data_dir / "fetched" / datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    fetch_study(orthanc_url or settings.orthanc_url, study or "", fetched)
    return due_from_folder(fetched)


if __name__ == "__main__":
    main(prog_name="cementwatch")
