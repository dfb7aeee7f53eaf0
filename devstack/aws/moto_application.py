"""Moto as a WSGI application: one per process, as its state is.

Moto lists its own folders and methods again at each request, which takes longer than most of its answers; here both
are kept. Each service is set up when it is first called.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_loading = threading.Lock()


def load() -> WSGIApplication:
    """The application. The first call imports moto, which takes almost a second."""
    with _loading:
        return _create()


@cache
def _create() -> WSGIApplication:
    # EC2 is used for networks only, and the images of a region take half a second. Source: moto's docs, configuration.
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    from moto import backends
    from moto.core import responses, utils
    from moto.moto_server import werkzeug_app

    folders = tuple(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: folders
    responses.method_names_from_class = cache(utils.method_names_from_class)  # type: ignore[attr-defined]
    application: WSGIApplication = werkzeug_app.DomainDispatcherApplication(werkzeug_app.create_backend_app)
    return application
