"""Between a peer and the broker: passes messages on, writes down what passed, and does
to them what the scenario's rules say. See README.md, "Rules"."""
import threading

import msgpack
import zmq

from protocol import COMMANDS, HEADER, MAGIC, RESET, Message

PATIENCE_S = 60
NO_SESSION = 17


class Rule:
    """When the nth message with a command comes from a side, do something to it."""

    def __init__(self, when, then):
        self.side, self.command = when["from"], when["command"]
        self.skip = when.get("nth", 1) - 1
        self.left = when.get("times", 1)
        self.then = then if isinstance(then, dict) else {then: True}

    def fits(self, side, names):
        if self.left == 0 or side != self.side:
            return False
        if self.command != "*" and self.command not in names:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.left -= 1
        return True


class Relay(threading.Thread):
    """One address in front of the broker's. Every peer gets a connection of its own."""

    def __init__(self, tables, world):
        super().__init__(daemon=True)
        self.tables, self.world = tables, world
        self.rules, self.log = [], []
        self.changed = threading.Condition()
        self.ordering = threading.Lock()
        self.context = zmq.Context()
        self.orders = self.context.socket(zmq.PAIR)
        self.orders.bind("inproc://orders")
        self.inside = self.context.socket(zmq.PAIR)
        self.inside.connect("inproc://orders")
        self.front = self.front_context = None
        self.target = None
        self.back = {}  # Routing id of a peer: its socket to the broker.
        self.endpoint = "tcp://127.0.0.1:*"
        self._open()

    # ---- for the scenario's thread ----

    def order(self, *words):
        """Carried out when this returns."""
        with self.ordering:
            self.orders.send_pyobj(words)
            if not self.orders.poll(PATIENCE_S * 1000):
                raise AssertionError(f"the relay does not answer to {words}")
            self.orders.recv()

    def stop(self):
        self.order("stop")
        self.join()
        self.orders.close(0)
        self.context.term()

    def add(self, rule):
        with self.changed:
            self.rules.append(rule)

    def seen(self, side, command, since=0):
        """What passed from a side: records by field names, in order."""
        return [
            record for (from_side, name, record, _) in self.log[since:]
            if from_side == side and name == command
        ]

    def wait_for(self, side, command, count):
        with self.changed:
            enough = self.changed.wait_for(
                lambda: len(self.seen(side, command)) >= count, PATIENCE_S
            )
        if not enough:
            raise AssertionError(f"no {count} x {command} from {side}: {self.log}")

    # ---- the relay's own thread ----

    def _open(self):
        self.front_context = zmq.Context()
        self.front = self.front_context.socket(zmq.ROUTER)
        self.front.setsockopt(zmq.LINGER, 0)
        self.front.bind(self.endpoint)
        self.endpoint = self.front.getsockopt(zmq.LAST_ENDPOINT).decode().rstrip("\0")

    def _close(self):
        """The wire is cut: connections are gone with what was on them."""
        if self.front is None:
            return
        self.front.close(0)
        for back in self.back.values():
            back.close(0)
        self.back.clear()
        self.front_context.term()  # Only now is the port free again.
        self.front = None

    def obey(self, what, *more):
        """Only in the relay's own thread; others use order()."""
        if what in ("down", "cut", "stop"):
            self._close()
        if what == "target":
            self.target = more[0]
        if what in ("up", "cut") and self.front is None:
            self._open()

    def run(self):
        going = True
        while going:
            poller = zmq.Poller()
            poller.register(self.inside, zmq.POLLIN)
            backs = list(self.back.items())
            for socket in [back for _, back in backs] + ([self.front] if self.front else []):
                poller.register(socket, zmq.POLLIN)
            ready = dict(poller.poll())
            if self.inside in ready:
                words = self.inside.recv_pyobj()
                going = words[0] != "stop"
                self.obey(*words)
                self.inside.send(b"")
                continue
            if self.front in ready:
                who, *frames = self.front.recv_multipart()
                self._pass("peer", who, frames)
                continue
            for who, back in backs:
                if back in ready and who in self.back:
                    self._pass("broker", who, back.recv_multipart())
        self.inside.close(0)

    def _back_of(self, who):
        if who not in self.back:
            back = self.front_context.socket(zmq.DEALER)
            back.setsockopt(zmq.LINGER, 0)
            back.connect(self.target)
            self.back[who] = back
        return self.back[who]

    def _send(self, side, who, frames):
        if side == "peer":
            self._back_of(who).send_multipart(frames)
        else:
            self.front.send_multipart([who, *frames])

    def _note(self, side, message):
        names = []
        for code, _, fields in message.commands:
            name = self.tables.command.get(code, str(code))
            names.append(name)
            record = self.tables.named(self.tables.record_of.get(name, ""), fields)
            if message.second is not None:
                record = {
                    key: message.second if value is True and key in ("payload", "result")
                    else value for key, value in record.items()
                }
            self.log.append((side, name, record, message))
        self.changed.notify_all()
        return names

    def _pass(self, side, who, frames):
        message = Message(frames)
        with self.changed:
            names = self._note(side, message)
            fitting = [rule for rule in self.rules if rule.fits(side, names)]
        for rule in fitting:
            if not self._apply(rule.then, side, who, message):
                return
        self._send(side, who, message.frames() if fitting else frames)

    def _apply(self, then, side, who, message):
        """False: the message goes no further."""
        if "drop" in then:
            return False
        if "lose" in then:
            self.obey("cut")
            return False
        if "cut" in then:
            self._send(side, who, message.frames())
            self._flush(side, who)
            self.obey("cut")
            return False
        if "reset" in then:
            self._reset(who, message)
            return False
        if "restart_broker" in then:
            self._close()
            self.world.restart_broker(within=self)
            return False
        if "twice" in then:
            self._twice(side, who, message)
            return False
        if "start_worker" in then:
            self._send(side, who, message.frames())
            self.world.start_worker("worker", then["start_worker"])
            return False
        self._change(then, message)
        return True

    def _twice(self, side, who, message):
        """Every command of it two times, in one message."""
        message.commands = [one for one in message.commands for _ in range(2)]
        self._send(side, who, message.frames())

    def _flush(self, side, who):
        """What was passed on has arrived: the other side answered, or read it."""
        if side == "peer" and self._back_of(who).poll(PATIENCE_S * 1000):
            with self.changed:
                self._note("broker", Message(self._back_of(who).recv_multipart()))

    def _reset(self, who, message):
        body = [[3, 0, {1: NO_SESSION, 3: 1, 4: 1}]]
        header = HEADER.pack(MAGIC, 1, RESET, 0, 0, message.session, 1, 0)
        self.front.send_multipart([who, header + msgpack.packb(body)])
        back = self.back.pop(who, None)
        if back is not None:
            back.close(0)

    def _change(self, then, message):
        """Set fields of one kind of record, or put fields into all of them, or append
        whole commands."""
        for command in message.commands:
            name = self.tables.command.get(command[0], "")
            if name in then.get("set", {}):
                record = self.tables.record_of[name]
                command[2].update(self.tables.numbered(record, then["set"][name]))
            command[2].update({int(n): v for n, v in then.get("add", {}).items()})
        if message.kind == COMMANDS:
            message.commands += [
                [code, request, {int(n): v for n, v in fields.items()}]
                for code, request, fields in then.get("append", [])
            ]
