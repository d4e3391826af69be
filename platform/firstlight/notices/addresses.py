"""Where a webhook may point: never into the house.

A server that posts to addresses which people type in can be made to knock on doors that only it can reach. So the host
is looked up once, every address it has must be public, and the connection goes to that very address, not to what the
name means a moment later.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from django.conf import settings

Address = IPv4Address | IPv6Address
TRANSLATED = IPv6Network("64:ff9b::/96")  # NAT64: the last 32 bits are an IPv4 address


class Refused(Exception):
    """Why nothing is sent there, in words."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL and the one address that its host was found at."""

    scheme: str
    host: str  # for the Host header and the certificate
    address: Address
    port: int
    path: str  # with the query

    @property
    def url(self) -> str:
        """With the address in place of the name."""
        there = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{self.scheme}://{there}:{self.port}{self.path}"

    @property
    def authority(self) -> str:
        """As the Host header has it."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _usual(self.scheme) else f"{name}:{self.port}"


def fault(url: str) -> str:
    """What is wrong with the text of a URL, in words; "" when nothing is."""
    schemes = {"https"} if settings.PRODUCTION else {"https", "http"}
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "This is not a URL."
    if parts.scheme not in schemes:
        return f"It must start with {' or '.join(f'{s}://' for s in sorted(schemes, reverse=True))}."
    if not parts.hostname or port == 0:
        return "It names no host."
    if parts.username or parts.password:
        return "It must not carry a user name or a password: webhooks are proven by their signature."
    return ""


def resolved(url: str) -> Target:
    """The URL with an address that may be called. Raises `Refused`; `OSError` when the name cannot be looked up."""
    if wrong := fault(url):
        raise Refused(wrong)
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _usual(parts.scheme)
    found = [ip_address(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    refuse_private(found)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, found[0], port, path)


def refuse_private(found: Iterable[Address]) -> None:
    """Raises `Refused` when any of them lies in the house and not in `WEBHOOK_NETWORKS`."""
    allowed = [ip_network(network) for network in settings.WEBHOOK_NETWORKS]
    for address in found:
        plain = unwrapped(address)
        if not is_public(plain) and not any(plain in network for network in allowed):
            raise Refused("Its host lies at a private address; WEBHOOK_NETWORKS does not allow that network.")


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address carries, else itself.

    >>> unwrapped(ip_address("::ffff:127.0.0.1"))
    IPv4Address('127.0.0.1')
    """
    if isinstance(address, IPv4Address):
        return address
    if address in TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_public(address: Address) -> bool:
    return address.is_global and not address.is_multicast


def _usual(scheme: str) -> int:
    return 443 if scheme == "https" else 80
