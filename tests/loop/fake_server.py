# ruff: noqa: T201
"""Stands in for a server of the OpenAI kind; started as `fake_server.py MODEL PORT`.

FAKE_FAULTS/server says, once, what goes wrong: "sick" (never healthy), "dead" (ends at once), "dies" (at the first
request). Every start and its process is a line of FAKE_FAULTS/servers.
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

FAULTS = Path(os.environ["FAKE_FAULTS"])
MODEL, PORT = sys.argv[1], int(sys.argv[2])
fault = FAULTS / "server"
WHAT = fault.read_text() if fault.exists() else ""
fault.unlink(missing_ok=True)
with (FAULTS / "servers").open("a") as file:
    file.write(f"{os.getpid()} {MODEL}\n")
print(f"loading {MODEL}", flush=True)
if WHAT == "dead":
    print("no memory for the weights", flush=True)
    sys.exit(3)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(503 if WHAT == "sick" else 200 if self.path == "/v1/models" else 404)

    def do_POST(self):
        if WHAT == "dies":
            print("the device is lost", flush=True)
            os._exit(4)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200)

    def answer(self, status):
        data = MODEL.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


HTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
