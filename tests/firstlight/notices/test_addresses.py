import socket
from ipaddress import ip_address

import pytest

from firstlight.notices import addresses
from firstlight.notices.addresses import Refused


@pytest.fixture
def names(monkeypatch):
    """A resolver that knows only these names."""
    known: dict[str, list[str]] = {}

    def look_up(host, port, **_):
        if host not in known:
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.mark.parametrize(
    "inside",
    [
        "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fd00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    ],
)  # fmt: skip
def test_no_address_inside_is_reached(names, inside):
    names["shop.example"] = [inside]
    with pytest.raises(Refused, match="private"):
        addresses.resolved("https://shop.example/hook")


def test_one_private_address_among_public_ones_is_enough_to_refuse(names):
    names["shop.example"] = ["93.184.216.34", "10.0.0.1"]
    with pytest.raises(Refused):
        addresses.resolved("https://shop.example/hook")


def test_the_call_goes_to_the_address_that_was_checked(names):
    names["shop.example"] = ["93.184.216.34"]
    target = addresses.resolved("https://shop.example/hook?a=1")
    assert (target.url, target.authority) == ("https://93.184.216.34:443/hook?a=1", "shop.example")
    names["shop.example"] = ["2606:2800:220:1::1"]
    target = addresses.resolved("https://shop.example:8443")
    assert (target.url, target.authority) == ("https://[2606:2800:220:1::1]:8443/", "shop.example:8443")


def test_a_setting_opens_one_network_and_no_other(names, settings):
    settings.WEBHOOK_NETWORKS = ["10.1.0.0/16", "::1/128"]
    for address in ("10.1.2.3", "::1"):
        names["inner.example"] = [address]
        assert addresses.resolved("https://inner.example/").address == ip_address(address)
    names["inner.example"] = ["10.2.0.1"]
    with pytest.raises(Refused):
        addresses.resolved("https://inner.example/")


@pytest.mark.parametrize(
    "url",
    ["ftp://shop.example/", "file:///etc/passwd", "shop.example", "", "https://", "https:///path", "https://[::1",
     "https://shop.example:99999/", "https://shop.example:0/", "https://ada:secret@shop.example/"],
)  # fmt: skip
def test_what_is_no_address_of_a_webhook_is_said_in_words(url):
    assert addresses.fault(url).endswith((".", "signature."))


def test_in_production_only_https(settings):
    assert addresses.fault("http://shop.example/") == ""
    settings.PRODUCTION = True
    assert "https://" in addresses.fault("http://shop.example/")
    assert addresses.fault("https://shop.example/") == ""
