"""How second channels are addressed and how what they are told is signed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from importlib.util import find_spec
from urllib.parse import urlsplit

SECRET_PREFIX = "whsec_"  # noqa: S105 - the word that begins a secret, not one
MQTT_PORTS = {"mqtt": 1883, "mqtts": 8883}


def check_webhook_url(url: str) -> None:
    """ValueError when nothing can be posted there."""
    place = urlsplit(url)
    if place.scheme not in {"http", "https"} or not place.hostname:
        raise ValueError("webhook_url: expected http:// or https:// and a host")


def key_of(secret: str) -> bytes:
    """The key that a secret stands for; ValueError names what was expected."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(SECRET_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError("webhook_secret: expected whsec_ and 24 to 64 random bytes in base64")
    return key


def signature(key: bytes, id: str, timestamp: int, body: bytes) -> str:
    """The header ``webhook-signature`` of the Standard Webhooks specification, version 1 (HMAC-SHA256)."""
    signed = hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def check_mqtt_url(url: str) -> None:
    """ValueError when this is no broker that can be told."""
    place = urlsplit(url)
    if place.scheme not in MQTT_PORTS or not place.hostname or not place.path.strip("/"):
        raise ValueError(
            "mqtt_url: expected mqtt:// or mqtts://, a host and a topic: mqtt://broker:1883/cementwatch/alerts"
        )
    if find_spec("paho") is None:
        raise ValueError("mqtt_url: MQTT needs the extra 'mqtt'")
