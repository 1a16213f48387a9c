#!/usr/bin/env python3
"""A web app server that makes reports in the background.

    web_server.py [PORT]        GANGER_BROKER names the broker

GET /report/KEY starts the report of that key, or finds it: 202 with its progress until it
is there, then 200 with the file. However many ask, one job runs. Its worker:

    ganger-worker --queue reports -- worker/examples/package-report
"""
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import ganger

client = ganger.Client(name="web", timeout=3)
DATABASE = "/var/lib/dpkg/status"


class Reports(BaseHTTPRequestHandler):
    def do_GET(self):
        page, _, key = self.path.strip("/").partition("/")
        if page != "report" or not key:
            return self.answer(404, {"error": "there is only /report/KEY"})
        try:
            job = client.submit("reports", DATABASE, key=key, keep_ms=600_000)
            if not job.ended:
                job = client.status(job)
            if job.ended:
                return self.answer(200, client.result(job))
            self.answer(202, {"state": job.state, "progress": job.progress,
                              "text": job.progress_text})
        except ganger.JobEnded as error:
            self.answer(500, {"error": error.code, "text": error.text})
        except ganger.GangerError as error:  # Refused or unknown: the next request asks.
            self.answer(503, {"error": error.code, "text": str(error)})

    def answer(self, status, body):
        text = isinstance(body, bytes)
        data = body if text else json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "text/csv" if text else "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status in (202, 503):
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    with client, ThreadingHTTPServer(("127.0.0.1", port), Reports) as server:
        print(f"http://127.0.0.1:{server.server_port}/report/today", flush=True)
        server.serve_forever()
