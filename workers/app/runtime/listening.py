"""A listening socket on every address that the machine has: IPv4, IPv6, or both."""

import errno
import socket
from typing import Final

from workers.app.config import settings

EVERY_ADDRESS: Final = settings.EVERY_ADDRESS
_NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


def listen_everywhere(port: int) -> socket.socket:
    """Listen with one socket; raises `OSError`. asyncio would open one a family, and fails where IPv6 is turned off."""
    try:
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    except OSError as error:
        if error.errno not in _NO_IPV6:
            raise
    except ValueError:  # this system has no sockets for both
        pass
    return socket.create_server(("", port))
