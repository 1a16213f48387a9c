"""A TCP proxy that can lose the wire: while it is cut, nothing passes and nobody is told,
as with a cable; connections made meanwhile are not answered. When it is mended, what has
waited goes on."""
import selectors
import socket
import threading

PIECE = 65536


class Proxy:
    """One address in front of another, in a thread of its own."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.target = None
        self.selector = selectors.DefaultSelector()
        self.other = {}
        self.waiting = {}
        self.cut_off = False
        self.wake, self.waker = socket.socketpair()
        self.selector.register(self.wake, selectors.EVENT_READ)
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.done = threading.Event()

    def start(self, endpoint):
        """Pass everything on to `endpoint`, of the form tcp://HOST:PORT."""
        host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
        self.target = (host, int(port))
        self.thread.start()

    def cut(self):
        self._order(b"c")

    def mend(self):
        self._order(b"m")

    def snap(self):
        """Break all connections, so that both ends see it; new ones go through."""
        self._order(b"s")

    def close(self):
        if self.thread.is_alive():
            self._order(b"q")
            self.thread.join()
        for one in (*self.other, self.listener, self.wake, self.waker):
            one.close()

    def _order(self, what):
        """Returns when it has been carried out."""
        self.done.clear()
        self.waker.send(what)
        self.done.wait()

    def _run(self):
        while True:
            events = dict((key.fileobj, mask) for key, mask in self.selector.select())
            if self.wake in events:
                order = self.wake.recv(1)
                if order == b"s":
                    self._end_all()
                else:
                    self.cut_off = order == b"c"
                    self._look_at_all()
                self.done.set()
                if order == b"q":
                    return
                continue
            for one, mask in events.items():
                self._serve(one, mask)

    def _serve(self, one, mask):
        if one is self.listener:
            self._accept()
            return
        if mask & selectors.EVENT_WRITE and one in self.other:
            self._write(one)
        if mask & selectors.EVENT_READ and one in self.other:
            self._read(one)

    def _accept(self):
        near, _ = self.listener.accept()
        try:
            far = socket.create_connection(self.target)
        except OSError:
            near.close()
            return
        for one, other in ((near, far), (far, near)):
            one.setblocking(False)
            self.other[one] = other
            self.waiting[one] = b""
        self._look_at(near)
        self._look_at(far)

    def _read(self, one):
        other = self.other[one]
        try:
            piece = one.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if piece == b"":
            self._end(one)
            return
        self.waiting[other] += piece
        self._write(other)

    def _write(self, one):
        try:
            sent = one.send(self.waiting[one]) if self.waiting[one] else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self._end(one)
            return
        self.waiting[one] = self.waiting[one][sent:]
        self._look_at(one)
        self._look_at(self.other[one])

    def _end(self, one):
        for side in (one, self.other[one]):
            if side in self.selector.get_map():
                self.selector.unregister(side)
            del self.other[side], self.waiting[side]
            side.close()

    def _end_all(self):
        for one in list(self.other):
            if one in self.other:  # Not ended with its other side.
                self._end(one)

    def _look_at(self, one):
        """Read from a side while the other has taken what came before."""
        mask = 0
        if not self.cut_off:
            mask = selectors.EVENT_WRITE if self.waiting[one] else 0
            mask |= 0 if self.waiting[self.other[one]] else selectors.EVENT_READ
        if one in self.selector.get_map():
            self.selector.unregister(one)
        if mask:
            self.selector.register(one, mask)

    def _look_at_all(self):
        if self.listener in self.selector.get_map():
            self.selector.unregister(self.listener)
        if not self.cut_off:
            self.selector.register(self.listener, selectors.EVENT_READ)
        for one in self.other:
            self._look_at(one)
