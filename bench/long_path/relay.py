"""Joins two network namespaces by a path that takes DELAY seconds each way.

usage: relay.py NAMESPACE_A NAMESPACE_B DELAY

Namespace A gets the address 10.99.0.1, B gets 10.99.0.2. Prints "ready" when packets flow, and ends
when its standard input does.
"""

import collections
import fcntl
import os
import select
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def interface(name, namespace, address, peer):
    """A TUN interface in a namespace; what is sent there can be read here."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    ip = ["ip", "-netns", namespace]
    subprocess.run(["ip", "link", "set", name, "netns", namespace], check=True)
    subprocess.run(ip + ["addr", "add", address, "peer", peer, "dev", name], check=True)
    subprocess.run(ip + ["link", "set", name, "txqueuelen", "10000", "up"], check=True)
    return tun


def receive(tun, due, way):
    try:
        while True:
            way.append((due, os.read(tun, 65536)))
    except BlockingIOError:
        pass


def deliver(tun, now, way):
    while way and way[0][0] <= now:
        try:
            os.write(tun, way[0][1])
        except BlockingIOError:
            return
        way.popleft()


def relay(ends, delay):
    ways = {ends[0]: collections.deque(), ends[1]: collections.deque()}
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    while True:
        due = [way[0][0] for way in ways.values() if way]
        wait = max(0.0, min(due) - time.monotonic()) if due else None
        readable, _, _ = select.select([sys.stdin, *ends], [], [], wait)
        if sys.stdin in readable:
            return
        now = time.monotonic()
        for end in ends:
            receive(end, now + delay, ways[end])
            deliver(other[end], now, ways[end])


a, b, delay = sys.argv[1], sys.argv[2], float(sys.argv[3])
tag = os.getpid() % 100000
ends = [
    interface(f"rsa{tag}", a, "10.99.0.1", "10.99.0.2"),
    interface(f"rsb{tag}", b, "10.99.0.2", "10.99.0.1"),
]
print("ready", flush=True)
relay(ends, delay)
