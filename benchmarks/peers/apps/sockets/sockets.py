"""Echo training over bare TCP: no framing, no checks, nothing kept, nobody authenticated. The floor, not a product.

Usage: ``sockets.py server PORT CONFIG`` or ``sockets.py NUMBER PORT CONFIG``, with CONFIG as JSON.
"""

import json
import socket
import struct
import sys
import threading

import numpy as np
import workload


def receive(connection, array):
    """Fill ``array`` from a connection."""
    rest = memoryview(array).cast("B")
    while rest:
        size = connection.recv_into(rest)
        if not size:
            raise EOFError
        rest = rest[size:]


def serve(port, config):
    """Send the model to everybody, take in what comes back, average, again."""
    edges, rounds = config["edges"], config["rounds"]
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    workload.mark(config["marks"], "listening")
    weights = workload.model(config["megabytes"], config["arrays"], config["seed"])
    flat = np.concatenate([array.ravel() for array in weights.values()])
    total = float(sum(workload.examples(edge) for edge in range(edges)))
    connections = {}
    while len(connections) < edges:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connections[struct.unpack("<i", connection.recv(4))[0]] = connection
    workload.mark(config["marks"], "round", round=0)
    for number in range(1, rounds + 1):
        summed, lock = np.zeros_like(flat), threading.Lock()

        def exchange(edge, connection, sent=flat, summed=summed, lock=lock):
            connection.sendall(memoryview(sent).cast("B"))
            update = np.empty_like(sent)
            receive(connection, update)
            update *= np.float32(workload.examples(edge) / total)
            with lock:
                np.add(summed, update, out=summed)

        threads = [threading.Thread(target=exchange, args=pair) for pair in connections.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        flat = summed
        workload.mark(config["marks"], "round", round=number)
    final, at = {}, 0
    for name, array in weights.items():
        final[name] = flat[at : at + array.size]
        at += array.size
    workload.keep(config["final"], final, config["megabytes"], config["arrays"])
    workload.mark(config["marks"], "done")


def take_part(edge, port, config):
    """Be one edge."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(struct.pack("<i", edge))
    received = np.empty(workload.count(config["megabytes"]), np.float32)
    for _ in range(config["rounds"]):
        receive(connection, received)
        connection.sendall(memoryview(received + workload.step(edge)).cast("B"))


who, at_port, told = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
if who == "server":
    serve(at_port, told)
else:
    take_part(int(who), at_port, told)
