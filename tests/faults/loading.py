"""Load that counts every failure: threads with a keep-alive connection each, as a recommender has."""

import http.client
import json
import threading
import time
from collections import Counter
from typing import Any


class Load:
    """Asks until it is stopped. An answer that does not come is told by its error."""

    def __init__(self, port: int, path: str, key: str, asked: dict[str, Any], *, clients: int = 8, pause: float = 0.0):
        self._port, self._path, self._pause = port, path, pause
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._body = json.dumps(asked)
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]
        self._counting = threading.Lock()
        self.answers: Counter[str] = Counter()  # by status, or by error
        self.longest = 0.0  # seconds

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self) -> None:
        connection = self._connected()
        while not self._stopped.wait(self._pause):
            began = time.perf_counter()
            told, connection = self._asked(connection)
            with self._counting:
                self.answers[told] += 1
                self.longest = max(self.longest, time.perf_counter() - began)

    def _asked(self, connection: http.client.HTTPConnection) -> tuple[str, http.client.HTTPConnection]:
        """(status or error, the connection to go on with).

        A kept connection that the server closed between two requests is opened anew, as every HTTP client does (RFC
        9112, 9.3.1: nothing of an answer came). Whatever fails on a new connection has failed.
        """
        try:
            return self._answer(connection), connection
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            connection = self._connected()
        except OSError as error:
            return type(error).__name__, self._connected()
        try:
            return self._answer(connection), connection
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__, self._connected()

    def _answer(self, connection: http.client.HTTPConnection) -> str:
        connection.request("POST", self._path, self._body, self._headers)
        answer = connection.getresponse()
        answer.read()
        if answer.getheader("Connection", "").lower() == "close":
            connection.close()
        return str(answer.status)

    def _connected(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
