"""A client for its death: sends the request it reads, says so, and waits for an answer it never gets to use.

python sender.py HOST PORT < request
"""

import socket
import sys


def main() -> None:
    """Send and wait until killed."""
    with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
        connection.sendall(sys.stdin.buffer.read())
        print("sent", flush=True)
        connection.recv(1)


if __name__ == "__main__":
    main()
