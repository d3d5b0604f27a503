"""nginx, its configuration and its certificate."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from lab import deliver, engine, pki, state
from lab.faults.core import file_edited
from lab.settings import SERVER_NAME

NGINX_CONF = "/etc/nginx/nginx.conf"


@contextlib.contextmanager
def certificate(
    *, days: float = 90, names: tuple[str, ...] = (SERVER_NAME,), chain: bool = True, reload: bool = True
) -> Iterator[None]:
    """Another certificate lies on disk, and nginx serves it if it is reloaded."""
    text, key = pki.issue(pki.load_issuer(state.CA), list(names), days, chain=chain)
    items = deliver.certificate()
    swapped = {"tokenswap.crt": text, "tokenswap.key": key}
    deliver.put([each if each.path not in swapped else deliver.replaced(each, swapped[each.path]) for each in items])
    if reload:
        _reload_nginx()
    try:
        yield
    finally:
        deliver.put(items)
        _reload_nginx()


def _reload_nginx() -> None:
    engine.inside("nginx", "nginx", "-s", "reload")
    time.sleep(1)


def nginx_edited(old: str, new: str) -> contextlib.AbstractContextManager[None]:
    """nginx runs with an edited configuration."""
    return file_edited("nginx", NGINX_CONF, old, new, ("nginx", "-s", "reload"))
