import http.client
import re
import socket
import struct
import threading
import time
from urllib.parse import urlsplit

import pytest
from patience import PATIENCE

from bench.errors import UsageError
from reports.site.development_server import LOOPBACK, check_port, rebuild_on_change, serve_folder


@pytest.fixture
def site(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "index.html").write_text("<p>one</p>")
    with serve_folder(tmp_path, 0) as address:
        yield tmp_path, urlsplit(address)


def ask(address, path="/", method="GET", **headers):
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=PATIENCE)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, answer.headers.get("ETag"), body


def test_the_page_is_served_on_loopback_with_a_tag_that_changes_with_it(site):
    folder, address = site
    assert address.hostname == LOOPBACK
    status, tag, body = ask(address)
    assert (status, body) == (200, "<p>one</p>")
    assert ask(address, method="HEAD")[:2] == (200, tag)
    assert ask(address, If_None_Match=tag)[0] == 304
    (folder / "index.html").write_text("<p>another</p>")
    assert ask(address, If_None_Match=tag)[0] == 200


def test_no_listing_nothing_outside_and_no_other_name(site):
    _, address = site
    assert ask(address, "/data/")[0] == 404
    assert ask(address, "/../../etc/passwd")[0] == 404
    assert ask(address, Host="elsewhere.example:80")[0] == 403


@pytest.mark.parametrize("request_line", [b"GET\r\n\r\n", b"\x16\x03\x01 tls hello\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
def test_a_request_that_cannot_be_parsed_gets_an_answer_and_no_traceback(site, capfd, request_line: bytes):
    _, address = site
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as connection:
        connection.sendall(request_line)
        assert re.search(rb"400|505", connection.recv(1000))
    assert ask(address)[0] == 200
    assert capfd.readouterr().err == ""


def test_a_port_that_is_taken_is_refused_with_a_way_out(tmp_path):
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        with (
            pytest.raises(UsageError, match=r"Port \d+ is not available.*--port, or 0"),
            serve_folder(tmp_path, taken.getsockname()[1]),
        ):
            pass


def test_the_server_ends_with_its_block(tmp_path):
    before = threading.active_count()
    with serve_folder(tmp_path, 0) as address:
        port = urlsplit(address).port
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection(LOOPBACK, port, timeout=PATIENCE).request("GET", "/")


def test_a_change_and_only_a_change_rebuilds():
    states, built = iter([1, 1, 2, 2, 3]), []
    left = [4]

    def stopped():
        left[0] -= 1
        return left[0] < -8

    rebuild_on_change(lambda: next(states, 3), lambda: built.append(True), stopped, pause=0.0)
    assert len(built) == 2


def test_whoever_asks_to_end_does_not_wait_for_the_next_look():
    begin = time.monotonic()
    rebuild_on_change(lambda: 1, lambda: None, lambda: time.monotonic() - begin > 0.2, pause=100 * PATIENCE)


def test_a_reader_that_leaves_early_is_not_reported(site, capfd):
    folder, address = site
    (folder / "large.bin").write_bytes(bytes(50_000_000))
    for _ in range(3):
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.sendall(f"GET /large.bin HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
            connection.recv(1000)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # leaves with a reset
    assert ask(address)[0] == 200
    time.sleep(0.3)
    assert capfd.readouterr().err == ""


def test_a_port_that_is_taken_is_refused_before_a_page_is_written() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"Port {port} is not available .*; choose another with --port, or 0"):
            check_port(port)
    check_port(0)
