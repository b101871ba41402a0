"""Other libraries: a file each, which defines its ``PEER``.

A peer imports its library where it binds a case, so that nothing is imported that is not raced.
"""

from twopass.bench.folder import modules
from twopass.bench.peer import Peer

ORDER = ("scipy", "torch", "onnxruntime", "openvino")  # of columns and lines; new ones follow


def find() -> dict[str, Peer]:
    """Return the peers of this folder by name."""
    found: list[Peer] = [module.PEER for module in modules(__name__, __path__, ORDER)]
    return {peer.name: peer for peer in found}


PEERS = find()


def installed() -> list[str]:
    """Return the peers that can be imported here."""
    return [name for name, peer in PEERS.items() if peer.installed]
