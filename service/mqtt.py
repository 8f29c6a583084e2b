"""Messages about alerts as MQTT, quality of service 1: the broker confirms each before the next one goes."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from service.channels import MQTT_PORTS
from service.mirror import NotTaken, Send

WITHIN_S = 10.0


def sender(url: str) -> Send:
    """Publishes under one topic, so that order holds; the connection is made when it is needed."""
    from paho.mqtt import client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    place = urlsplit(url)
    topic = unquote(place.path.strip("/"))
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="cementwatch", clean_session=True)
    if place.username:
        client.username_pw_set(unquote(place.username), unquote(place.password or ""))
    if place.scheme == "mqtts":
        client.tls_set()

    def send(number: int, body: bytes) -> None:
        del number
        try:
            if not client.is_connected():
                client.loop_stop()
                client.connect(place.hostname or "", place.port or MQTT_PORTS[place.scheme], keepalive=30)
                client.loop_start()
            sent = client.publish(topic, body, qos=1)
            sent.wait_for_publish(WITHIN_S)
        except (OSError, ValueError, RuntimeError) as error:
            raise NotTaken(type(error).__name__) from None
        if not sent.is_published():
            client.disconnect()
            raise NotTaken("the broker did not confirm")

    return send
