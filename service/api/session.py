"""Signing in and out, and who is asking."""

from __future__ import annotations

import math

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from db.users import Deed, end_session
from detection.vocabulary import NO_PROCEDURE, Entry, EntryType
from service.api import asks, wire
from service.api.access import ONE_CLICK, Access, Identity
from service.api.answers import time_or_none
from service.api.deps import AccessHere, DepsHere, Who
from service.api.errors import Refused
from service.exposure import UNKNOWN

router = APIRouter(prefix="/session", tags=["session"])


@router.get("", response_model=wire.Session)
def get_session(access: AccessHere, who: Who) -> wire.Session:
    """Who is asking; nulls for somebody who is not known."""
    return _told(access, who)


@router.post("", response_model=wire.Session)
async def sign_in(
    request: Request, response: Response, deps: DepsHere, access: AccessHere, body: asks.SignIn
) -> wire.Session:
    """Sign in with name and password. The answer sets a cookie; each later change sends csrf_token as X-CSRF-Token."""
    address, now = _address_of(request), deps.now()
    wait_s = access.throttle.begin(body.name, address, now)
    if wait_s > 0:
        wait = str(math.ceil(wait_s))
        raise Refused(429, f"Too many failures. Try again in {wait} s.", headers={"Retry-After": wait})
    try:
        proof = await access.proof_of(body.name, body.password)
    except BaseException:
        access.throttle.give_up(body.name, address)
        raise
    if proof is None:
        access.throttle.fail(body.name, address, now)
        # a name that is unknown may be a password typed into the wrong field
        told = {"user": body.name if access.knows(body.name) else None, "address": address}
        await run_in_threadpool(deps.journal.append, [_failure(now, told)])
        raise Refused(401, "This name and password do not belong together.")
    access.throttle.succeed(body.name, address)
    return await run_in_threadpool(_begin, access, response, (body.name, proof), address)


@router.post("/one-click", response_model=wire.Session)
def sign_in_with_one_click(request: Request, response: Response, access: AccessHere) -> wire.Session:
    """Sign in as the operator of a demonstration; on loopback and where the settings allow it only."""
    if not access.terms.may_one_click:
        raise Refused(403, "This server asks for a name and a password.")
    return _begin(access, response, (ONE_CLICK, None), _address_of(request))


@router.delete("", response_class=Response, status_code=204)
def sign_out(deps: DepsHere, access: AccessHere, who: Who) -> Response:
    """End this session; a token and a local request have none."""
    response = Response(status_code=204)
    if who is not None and who.session is not None:
        end_session(deps.engine, who.session, Deed(actor=who.name, at=deps.now()))
        access.look()
        terms = access.terms
        response.delete_cookie(terms.cookie, secure=terms.exposure.is_encrypted, httponly=True, samesite="strict")
    return response


def _failure(at: float, told: dict[str, str | None]) -> Entry:
    cause = "wrong name or password"
    return Entry(at=at, type=EntryType.SIGN_IN_FAILED, procedure=NO_PROCEDURE, cause=cause, data=told)


def _begin(access: Access, response: Response, proven: tuple[str, str | None], address: str) -> wire.Session:
    name, proof = proven
    cookie, identity = access.begin(name, address, proof)
    response.set_cookie(
        access.terms.cookie,
        cookie,
        max_age=int(access.terms.session_s),
        secure=access.terms.exposure.is_encrypted,
        httponly=True,
        samesite="strict",
    )
    return _told(access, identity)


def _told(access: Access, who: Identity | None) -> wire.Session:
    has_one_click = access.terms.may_one_click
    if who is None:
        return wire.Session(scopes=[], one_click=has_one_click)
    return wire.Session(
        name=who.name,
        by=who.by,
        role=who.role,
        scopes=sorted(who.scopes),
        csrf_token=who.csrf,
        expires_at=time_or_none(who.expires_at),
        one_click=has_one_click,
    )


def _address_of(request: Request) -> str:
    return request.client.host if request.client else UNKNOWN
