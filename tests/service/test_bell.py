"""A bell wakes everybody who listens, whoever dies in between."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from service.bell import Bell


def test_every_listener_hears_one_ring(tmp_path):
    bell = Bell(tmp_path / "bells")
    with bell.listen() as first, bell.listen() as second:
        assert bell.ring() == 2
        assert first.wait(1.0)
        assert second.wait(1.0)


def test_silence_ends_after_the_listeners_patience(tmp_path):
    with Bell(tmp_path).listen() as ear:
        assert not ear.wait(0.01)
        assert not ear.wait(0.0)


def test_many_rings_count_as_one(tmp_path):
    bell = Bell(tmp_path)
    with bell.listen() as ear:
        for _ in range(5):
            bell.ring()
        assert ear.wait(0.0)
        assert not ear.wait(0.0)


def test_a_ring_before_the_wait_is_not_lost(tmp_path):
    bell = Bell(tmp_path)
    with bell.listen() as ear:
        bell.ring()
        assert ear.wait(1.0)


def test_ringing_where_nobody_ever_listened_is_no_error(tmp_path):
    assert Bell(tmp_path / "never made").ring() == 0


def test_ringing_never_blocks_on_a_listener_who_does_not_listen(tmp_path):
    bell = Bell(tmp_path)
    with bell.listen() as ear:
        for _ in range(2000):
            assert bell.ring() == 1
        assert ear.wait(1.0)


def test_a_closed_ear_leaves_nothing_behind(tmp_path):
    bell = Bell(tmp_path)
    bell.listen().close()
    assert list(tmp_path.iterdir()) == []
    assert bell.ring() == 0


def test_a_wait_on_a_closed_ear_returns(tmp_path):
    ear = Bell(tmp_path).listen()
    ear.close()
    assert not ear.wait(5.0)


LISTEN_AND_BE_KILLED = """
import sys, pathlib
from service.bell import Bell
ear = Bell(pathlib.Path(sys.argv[1])).listen()
print("listening", flush=True)
ear.wait(60.0)
print("woken", flush=True)
ear.wait(60.0)
"""


@pytest.fixture
def listener(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN_AND_BE_KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "listening\n"
        yield process
        process.kill()


def test_another_process_is_woken_and_swept_once_it_is_dead(tmp_path, listener):
    bell = Bell(tmp_path)
    assert bell.ring() == 1
    assert listener.stdout.readline() == "woken\n"
    os.kill(listener.pid, signal.SIGKILL)
    listener.wait()
    assert bell.ring() == 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_too_deep_for_a_socket_address_works_too(tmp_path):
    bell = Bell(tmp_path / ("deep" * 30) / ("deeper" * 20))
    with bell.listen() as ear:
        assert bell.ring() == 1
        assert ear.wait(1.0)


def test_rings_from_several_threads_wake_a_waiting_listener(tmp_path):
    bell = Bell(tmp_path)
    with bell.listen() as ear:
        threads = [threading.Thread(target=bell.ring) for _ in range(8)]
        for thread in threads:
            thread.start()
        assert ear.wait(5.0)
        for thread in threads:
            thread.join()
