#!/usr/bin/env python3
"""Receives Baton's webhooks and prints those that are genuine.

    BATON_SECRET=... ./receive.py [PORT]        default port 8080, loopback only

Genuine is what carries, in Baton-Signature, "v1=" and the HMAC-SHA256 in
hexadecimal, under the secret, of the time in Baton-Time, a full stop, and the body
as it came. Put a TLS proxy in front of it if it is to be reached from elsewhere.
"""
import hashlib
import hmac
import http.server
import json
import os
import sys
import time

SECRET = os.environ["BATON_SECRET"].encode()
TOLERANCE = 5 * 60  # seconds by which the two clocks may differ
LARGEST = 1 << 20  # bytes


def genuine(headers, body):
    """Tells whether somebody with the secret sent this, not long ago."""
    sent = headers.get("Baton-Time", "")
    if not sent.isdecimal() or abs(time.time() - int(sent)) > TOLERANCE:
        return False
    mac = hmac.new(SECRET, sent.encode() + b"." + body, hashlib.sha256)
    return hmac.compare_digest("v1=" + mac.hexdigest(), headers.get("Baton-Signature", ""))


class Receiver(http.server.BaseHTTPRequestHandler):
    seen = set()  # ids of notices: one that was delivered twice is told once
    timeout = 10

    def do_POST(self):
        length = int(self.headers.get("Content-Length", "0"))
        if length > LARGEST:
            return self.answer(413)
        body = self.rfile.read(length)
        if not genuine(self.headers, body):
            return self.answer(403)
        notice = json.loads(body)
        if notice["id"] not in self.seen:
            self.seen.add(notice["id"])
            print(notice["text"], flush=True)
            for event in notice["events"]:
                print("   ", event["time"], event["kind"], event["text"], flush=True)
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    print("listening on port", server.server_port, flush=True)
    server.serve_forever()
