"""The commands that play: a phantom into a folder, a recording to a receiver, and both through the whole system."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from detection.phantom.scene import SCENARIOS, Scene
from dicom_gateway.compose import Form, study_of, write_phantom
from dicom_gateway.due import due_from_folder
from dicom_gateway.faults import Fault, Faults, disturbed, faults_from
from dicom_gateway.peer import Peer
from dicom_gateway.refusal import Unreachable
from dicom_gateway.sender import send
from service.entrance import secured
from service.orthanc import OrthancUnreachable, StudyNotFound, fetch_study
from service.settings import Settings


@click.command()
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
    from service.score.sets import drawn as varied

    story = varied("tune", scene, seed or 0) if drawn else SCENARIOS[scene]
    truth = write_phantom(_scene(story, ct, level), out, seed=seed, as_=form, started_at=time.time())
    click.echo(f"{len(list(out.glob('*.dcm')))} objects and {truth.name} in {out}")


@click.command("send")
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


@click.command()
@click.option("--keep", is_flag=True, help="Leave everything running afterwards.")
def demo(keep: bool) -> None:
    """Play two phantom procedures through the whole system and report what it made of them."""
    from service import demo as demonstration

    sys.exit(demonstration.run(keep=keep, say=click.echo, now=time.time, sleep=time.sleep))


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
