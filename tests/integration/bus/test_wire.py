"""One connection: TLS, a server that talks nonsense or nothing, back-pressure."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bus.errors import Denied, Unavailable
from bus.jetstream.inflow import Msg
from bus.jetstream.server import find_binary, free_port
from bus.jetstream.session import Session
from bus.processes import die_with_parent

MIB = 1024 * 1024
DAY = dt.timedelta(days=1)


@asynccontextmanager
async def plain_server(folder: Path, *more: str) -> AsyncIterator[int]:
    """A bare nats-server; gives its port."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        find_binary(), "-a", "127.0.0.1", "-p", str(port), *more, cwd=folder,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, preexec_fn=die_with_parent,
    )  # fmt: skip
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                except OSError:
                    await asyncio.sleep(0.02)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def session(url: str, *, timeout_s: float = 5.0) -> Session:
    return await Session.open(url, name="me", nkey_seed=None, inbox="_INBOX_me", timeout_s=timeout_s)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "cert.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return public, private


@contextmanager
def trusting(public: Path) -> Iterator[None]:
    """OpenSSL reads the variable whenever a context is made."""
    os.environ["SSL_CERT_FILE"] = str(public)
    try:
        yield
    finally:
        del os.environ["SSL_CERT_FILE"]


async def echoed(one: Session, size: int) -> bytes:
    """A message of ``size`` bytes, there and back."""
    came: asyncio.Queue[Msg] = asyncio.Queue()
    subject, number = one.subscribe("here", came.put_nowait)
    await one.publish(subject, bytes(range(256)) * (size // 256), headers={"a": "b"})
    async with asyncio.timeout(10):
        msg = await came.get()
    one.unsubscribe(number)
    assert msg.headers == {"a": "b"}
    return bytes(msg.data)


@pytest.mark.parametrize("scheme", ["nats", "tls"])
async def test_tls_is_verified(tmp_path: Path, scheme: str) -> None:
    public, private = certificate(tmp_path)
    tls = ("--tls", "--tlscert", str(public), "--tlskey", str(private))
    async with plain_server(tmp_path, *tls) as port:
        url = f"{scheme}://127.0.0.1:{port}"
        with pytest.raises(Unavailable):
            await session(url)
        with trusting(public):
            one = await session(url)
        assert await echoed(one, MIB // 2) == bytes(range(256)) * (MIB // 512)
        assert await one.alive(5)
        await one.close()


async def test_a_server_without_tls_is_not_taken_for_one_with(tmp_path: Path) -> None:
    async with plain_server(tmp_path) as port:
        with pytest.raises(Unavailable):
            await session(f"tls://127.0.0.1:{port}", timeout_s=2)


async def test_a_wrong_password_is_denied(tmp_path: Path) -> None:
    async with plain_server(tmp_path, "--user", "a", "--pass", "b") as port:
        with pytest.raises(Denied, match="credential of me"):
            await session(f"nats://127.0.0.1:{port}")


@pytest.mark.parametrize("words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"INFO {nonsense\r\n", b"MSG\r\n", b""])
async def test_what_is_no_nats_server_is_unavailable(words: bytes) -> None:
    talked = asyncio.Event()

    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        with suppress(ConnectionError):
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        talked.set()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable):
            await session(f"nats://127.0.0.1:{port}", timeout_s=2)
        await talked.wait()


async def test_a_writer_waits_for_a_server_that_does_not_read() -> None:
    read, gone = asyncio.Event(), asyncio.Event()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"max_payload": 1048576, "headers": true}\r\n')
        while b"PING" not in await reader.readline():
            pass
        writer.write(b"PONG\r\n")
        await read.wait()
        while await reader.read(MIB):
            pass
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(stall, "127.0.0.1", 0, limit=1024)
    async with server:
        one = await session(f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        sent = 0

        async def send() -> None:
            nonlocal sent
            for _ in range(200):
                await one.publish("x", bytes(MIB // 2))
                sent += 1

        sending = asyncio.create_task(send())
        await asyncio.sleep(0.5)
        stuck = sent
        assert stuck < 100  # what the kernel's buffers hold, and one more
        read.set()
        async with asyncio.timeout(10):
            await sending
        assert sent == 200
        await one.close()
        await gone.wait()
