#!/usr/bin/env python3
"""An outside system that has work: over a socket as it comes, or over HTTP when asked.

    outside.py FILE HTTP_PORT SOCKET_PORT    a port of 0 is chosen and printed; -: not there

    GET /items           what nobody has acknowledged yet, as JSON
    POST /items          a new item; answers with its number
    DELETE /items/7      item 7 is taken care of

On the socket each item is a line "7 text"; a line "7" acknowledges it. Items live in FILE,
so that nothing is lost when this ends and starts again.
"""
import http.server
import json
import os
import socketserver
import sys
import threading


class Items:
    def __init__(self, path):
        self.path = path
        self.changed = threading.Condition()
        self.last, self.open = 0, {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.last, texts = json.load(file)
                self.open = {int(number): text for number, text in texts.items()}

    def _save(self):
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            json.dump([self.last, self.open], file)
        os.replace(self.path + ".new", self.path)
        self.changed.notify_all()

    def add(self, text):
        with self.changed:
            self.last += 1
            self.open[self.last] = text
            self._save()
            return self.last

    def acknowledge(self, number):
        with self.changed:
            self.open.pop(number, None)
            self._save()

    def above(self, number):
        """The open items above that number, once there are some; else {} after a while."""
        with self.changed:
            def found():
                return {n: text for n, text in self.open.items() if n > number}

            return self.changed.wait_for(found, 0.5) or {}


class Http(http.server.BaseHTTPRequestHandler):
    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(self.server.items.above(0))

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        self.answer(self.server.items.add(self.rfile.read(length).decode()))

    def do_DELETE(self):
        self.answer(self.server.items.acknowledge(int(self.path.rpartition("/")[2])))

    def log_message(self, *_):
        pass


class Push(socketserver.StreamRequestHandler):
    def handle(self):
        threading.Thread(target=self.acknowledged, daemon=True).start()
        told = 0
        while True:
            for number, text in self.server.items.above(told).items():
                self.wfile.write(f"{number} {text}\n".encode())
                told = number

    def acknowledged(self):
        for line in self.rfile:
            self.server.items.acknowledge(int(line))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, *_):
        pass  # Who has gone away is no fault of ours.


def main(path, *ports):
    items = Items(path)
    for port, handler in zip(ports, (Http, Push)):
        if port != "-":
            server = Server(("127.0.0.1", int(port)), handler)
            server.items = items
            threading.Thread(target=server.serve_forever, daemon=True).start()
            print(server.server_address[1], flush=True)
    threading.Event().wait()


main(*sys.argv[1:])
