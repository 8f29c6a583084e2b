"""Is the process alive, and would an alert get through right now."""

from __future__ import annotations

import os
from collections.abc import Callable
from ipaddress import ip_address

from fastapi import APIRouter

from db.connect import StoreFailure
from db.deliveries import standing
from db.heartbeat import last_sign
from db.mirrors import standings
from dicom_gateway.peer import Peer, echo
from service.api import wire
from service.api.answers import STOPPED_AFTER_S
from service.api.deps import Deps, DepsHere
from service.api.errors import unavailable
from service.entrance import secured
from service.printout.reported import version_of
from service.standing import in_trouble

FORWARD_SILENT_S = 150.0
"""The role notes many answers in one step, and an archive may take its time for each."""

FHIR = "fhir"
"""What the FHIR server is called among the second channels."""

CHANNEL_FAILS_S = 60.0
"""A second channel that has not taken a message for this long is not working."""

router = APIRouter(tags=["health"])


@router.get("/health/live", response_model=wire.Alive)
async def get_live() -> wire.Alive:
    """This process answers; nothing else is asked."""
    return wire.Alive(status="alive")


@router.get("/health/ready", response_model=wire.Ready)
def get_ready(deps: DepsHere) -> wire.Ready:
    """Every part that an alert needs on its way, each with its reason; 503 with the checks when one fails."""
    checks = [wire.Check(name=name, ok=ok, reason=reason) for name, (ok, reason) in check_all(deps).items()]
    failed = [check.name for check in checks if not check.ok]
    if failed:
        told = [check.model_dump() for check in checks]
        raise unavailable(f"Not ready: {', '.join(failed)}.", checks=told)
    return wire.Ready(status="ready", checks=checks)


@router.get("/version", response_model=wire.Version)
def get_version(deps: DepsHere) -> wire.Version:
    """What is running."""
    return version_now(deps)


def version_now(deps: Deps) -> wire.Version:
    """Software, algorithm and rules."""
    return version_of(deps.settings)


def check_all(deps: Deps) -> dict[str, tuple[bool, str]]:
    """Each part by name: whether it works, and why."""
    checks: dict[str, Callable[[Deps], tuple[bool, str]]] = {
        "database": check_database,
        "spool": check_spool,
        "receive": check_receive,
        "watch": check_watch,
    }
    if deps.settings.archives:
        checks["forward"] = check_forward
    if deps.settings.has_channel:
        checks["mirror"] = check_mirror
    if deps.settings.fhir_server is not None:
        checks["fhir"] = check_fhir
    return {name: check(deps) for name, check in checks.items()}


def check_database(deps: Deps) -> tuple[bool, str]:
    """The journal can be read."""
    try:
        return True, f"the journal answers; its last entry is {deps.journal.head()}"
    except StoreFailure as failure:
        return False, f"the journal does not answer ({type(failure).__name__})"


def check_spool(deps: Deps) -> tuple[bool, str]:
    """The spool can be written and its disk has room."""
    wanted_mb = deps.settings.min_free_mb
    try:
        free_mb = deps.spool.free_bytes() // 2**20
    except OSError as error:
        return False, f"the spool cannot be read ({error.strerror})"
    if not os.access(deps.spool.incoming, os.W_OK | os.X_OK):
        return False, "the spool cannot be written"
    if free_mb < wanted_mb:
        return False, f"{free_mb} MB free, {wanted_mb} MB wanted"
    if free_mb < 2 * wanted_mb:
        return True, f"writable, {free_mb} MB free and filling: below {wanted_mb} MB objects are refused"
    return True, f"writable, {free_mb} MB free"


def check_receive(deps: Deps) -> tuple[bool, str]:
    """The DICOM listener answers C-ECHO."""
    settings = deps.settings
    calling = settings.calling_ae_titles[0] if settings.calling_ae_titles else settings.ae_title
    peer = Peer(
        host=reachable(settings.dicom_host), port=settings.dicom_port, called=settings.ae_title, calling=calling
    )
    if echo(secured(peer, settings)):
        return True, f"C-ECHO answered on port {settings.dicom_port}"
    return False, f"no answer to C-ECHO on port {settings.dicom_port}"


def check_forward(deps: Deps) -> tuple[bool, str]:
    """Objects go out to the archives. An archive in trouble is told, and keeps no alert from getting through."""
    now = deps.now()
    try:
        beat_at = last_sign(deps.engine, "forward")
        standings = [standing(deps.engine, archive.name) for archive in deps.settings.archives]
    except StoreFailure:
        return False, "unknown: the journal does not answer"
    troubles = [trouble for each in standings if (trouble := in_trouble(each, now, deps.settings))]
    if beat_at is None or now - beat_at > FORWARD_SILENT_S:
        troubles.append("the role forward gives no sign of life")
    n_waiting = sum(each.n_waiting for each in standings)
    return True, "; ".join([*troubles, f"{n_waiting} objects wait for an archive"])


def reachable(host: str) -> str:
    """Where to call a listener that is bound to ``host``: one bound to every address is called on loopback."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "::1" if address.version == 6 else "127.0.0.1"


def check_mirror(deps: Deps) -> tuple[bool, str]:
    """Every second channel takes messages, or has failed for less than a minute."""
    try:
        known = standings(deps.engine)
    except StoreFailure:
        return False, "unknown: the journal does not answer"
    failing = [each for each in known if each.name != FHIR and each.failing_since is not None]
    told = [f"{each.name}: {each.reason} for {deps.now() - (each.failing_since or 0.0):.0f} s" for each in failing]
    is_ok = all(deps.now() - (each.failing_since or 0.0) < CHANNEL_FAILS_S for each in failing)
    return is_ok, "; ".join(told) or "every channel took the last message"


def check_fhir(deps: Deps) -> tuple[bool, str]:
    """How the FHIR server took the last procedure. It is no part of an alert's way."""
    try:
        standing = next((each for each in standings(deps.engine) if each.name == FHIR), None)
    except StoreFailure:
        return False, "unknown: the journal does not answer"
    if standing is None or (standing.reason is None and standing.told_at is None):
        return True, "no procedure was sent yet"
    if standing.failing_since is None:
        return True, standing.reason or "the last procedure was taken"
    return True, f"{standing.reason} for {deps.now() - standing.failing_since:.0f} s"


def check_watch(deps: Deps) -> tuple[bool, str]:
    """The analysis has given a sign of life within three seconds."""
    try:
        beat_at = last_sign(deps.engine)
    except StoreFailure:
        return False, "unknown: the journal does not answer"
    if beat_at is None:
        return False, "no sign of life yet"
    age_s = deps.now() - beat_at
    if age_s > STOPPED_AFTER_S:
        return False, f"last sign of life {age_s:.0f} s ago"
    return True, f"last sign of life {max(age_s, 0.0):.1f} s ago"
