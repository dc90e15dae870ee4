#!/usr/bin/env python3
"""An HTTP door in front of an MCP server that speaks on its pipes, for a test suite that speaks only HTTP.

usage: stdio_door.py COMMAND [ARGUMENT...]      prints its URL and serves until it is killed

Messages pass unchanged in both directions. What the door itself decides is only what stdio does not have: which open
answer a notification belongs to, the HTTP status of a JSON-RPC error, and Host. Revisions up to 2025-11-25 get one
process for each session; 2026-07-28 has no sessions and gets one process for all.
"""

import itertools
import json
import queue
import subprocess
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
# Streamable HTTP, revision 2026-07-28: the status that goes with an error of the envelope.
STATUS = {-32601: 404, -32602: 400, -32600: 400, -32700: 400, -32020: 400, -32021: 400, -32022: 400}


class Child:
    """One server process. Requests get ids of their own, because clients may use the same ones at the same time."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lock = threading.Lock()
        self.numbers = itertools.count(1)
        self.open = {}
        threading.Thread(target=self.read, daemon=True).start()

    def write(self, message):
        with self.lock:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()

    def ask(self, message):
        answers = queue.Queue()
        number = next(self.numbers)
        params = message.get("params") or {}
        token = (params.get("_meta") or {}).get("progressToken")
        self.open[number] = (message["id"], token, answers)
        self.write({**message, "id": number})
        return number, answers

    def read(self):
        for line in self.process.stdout:
            message = json.loads(line)
            if "method" not in message:
                waiting = self.open.pop(message.get("id"), None)
                if waiting:
                    waiting[2].put({**message, "id": waiting[0]})
            else:
                self.route(message)
        for _, _, answers in list(self.open.values()):
            answers.put(None)

    def route(self, message):
        params = message.get("params") or {}
        meta = params.get("_meta") or {}
        if SUBSCRIPTION in meta:
            waiting = self.open.get(int(meta[SUBSCRIPTION]))
            if waiting:
                meta[SUBSCRIPTION] = waiting[0]
                waiting[2].put(message)
            return
        tokened = [entry for entry in list(self.open.values()) if entry[1] is not None and entry[1] == params.get("progressToken")]
        newest = tokened or list(self.open.values())
        if newest:
            newest[-1][2].put(message)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    command_line = []
    sessions = {}
    shared = None
    lock = threading.Lock()

    def log_message(self, *_):
        pass

    def plain(self, status, body=b"", headers=()):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.plain(405)

    def do_DELETE(self):
        child = self.sessions.pop(self.headers.get("mcp-session-id"), None)
        if child:
            child.stop()
        self.plain(200 if child else 404)

    def child(self, message):
        session = self.headers.get("mcp-session-id")
        if session:
            return session, self.sessions.get(session)
        if message.get("method") == "initialize" and self.headers.get("mcp-protocol-version") != "2026-07-28":
            session = uuid.uuid4().hex
            self.sessions[session] = Child(self.command_line)
            return session, self.sessions[session]
        with Door.lock:
            if Door.shared is None or Door.shared.process.poll() is not None:
                Door.shared = Child(self.command_line)
        return None, Door.shared

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        message = json.loads(body)
        session, child = self.child(message)
        if child is None:
            return self.plain(404)
        if "method" not in message or "id" not in message:
            child.write(message)
            return self.plain(202)
        number, answers = child.ask(message)
        first = answers.get()
        if first is None:
            return self.plain(502)
        named = [("mcp-session-id", session)] if session else []
        if "method" not in first:
            status = STATUS.get((first.get("error") or {}).get("code"), 200) if session is None else 200
            return self.plain(status, json.dumps(first).encode(), named)
        self.stream(child, number, first, answers, named)

    def stream(self, child, number, first, answers, named):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        for name, value in named:
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        message = first
        try:
            while message is not None:
                self.wfile.write(b"event: message\ndata: " + json.dumps(message).encode() + b"\n\n")
                self.wfile.flush()
                if "method" not in message:
                    return
                message = answers.get()
        except (BrokenPipeError, ConnectionResetError):
            child.open.pop(number, None)
            child.write({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}})


def main():
    Door.command_line = sys.argv[1:]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_address[1]}/mcp", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
