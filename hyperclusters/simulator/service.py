"""Starts and stops a server, and makes it refuse connections for a while."""

import socket
import threading
from contextlib import suppress

from .app import Application
from .server import Server

POLL_SECONDS = 0.5
# Long enough for the answer to leave that announces the refusals.
GRACE_SECONDS = 0.05


class Service:
    """Serves an application on one port, in threads of this process."""

    def __init__(self, application: Application, host: str, port: int) -> None:
        self._application = application
        self._host = host
        self._lock = threading.Lock()
        self._placeholder: socket.socket | None = None
        self._ended = threading.Event()
        self._server: Server | None = Server(application, host, port)
        self.port = self._server.port
        application.control.refuse = self.refuse_for
        self._serve(self._server)

    def pause(self) -> None:
        """Stop listening and cut open connections: new ones are refused."""
        with self._lock:
            server, self._server = self._server, None
        if server:
            # Wakes the loop that waits for connections; if it does not, the loop wakes by itself.
            with suppress(OSError):
                server.socket.shutdown(socket.SHUT_RDWR)
            server.shutdown()
            server.server_close()
            # Bound but not listening: connections are refused, and nobody else can take the port meanwhile.
            self._placeholder = socket.socket()
            self._placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._placeholder.bind((self._host, self.port))
            server.close_connections()

    def resume(self) -> None:
        """Listen again on the same port."""
        with self._lock:
            if self._server is None and not self._ended.is_set():
                self._server = Server(self._application, self._host, self.port)
                self._serve(self._server)
            if self._placeholder:
                self._placeholder.close()

    def refuse_for(self, seconds: float) -> None:
        """Refuse connections for a while; returns at once."""
        threading.Thread(target=self._refuse, args=(seconds,), daemon=True).start()

    def stop(self) -> None:
        """Stop for good: cut what is running, close the store."""
        self._ended.set()
        self._application.stopping.set()
        self.pause()
        if self._placeholder:
            self._placeholder.close()
        self._application.database.close()

    def _refuse(self, seconds: float) -> None:
        self._ended.wait(GRACE_SECONDS)
        self.pause()
        self._ended.wait(seconds)
        self.resume()

    def _serve(self, server: Server) -> None:
        threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
