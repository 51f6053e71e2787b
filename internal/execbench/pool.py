"""Measures round trips to a warm pool of two processes.

The argument is the payload, in hexadecimal. Each line of standard input asks for a
measurement: for how many seconds, by how many threads. The answer is a line of JSON.
The end of the input ends it, also within a measurement.
"""

import json
import platform
import queue
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor

# Ctrl-C is meant for who started this, and who will close its input.
signal.signal(signal.SIGINT, signal.SIG_IGN)

stop = threading.Event()


def echo(x):
    return x


def round_trips(pool, payload, seconds, times):
    until = time.perf_counter_ns() + int(seconds * 1e9)
    while True:
        begin = time.perf_counter_ns()
        got = pool.submit(echo, payload).result()
        end = time.perf_counter_ns()
        if got != payload:
            raise ValueError(f"the result is {got!r}")
        times.append(end - begin)
        if end >= until or stop.is_set():
            return


def measure(pool, payload, seconds, count):
    times = [[] for _ in range(count)]
    others = [threading.Thread(target=round_trips, args=(pool, payload, seconds, own)) for own in times[1:]]
    begin = time.perf_counter_ns()
    for thread in others:
        thread.start()
    round_trips(pool, payload, seconds, times[0])
    for thread in others:
        thread.join()
    return {"elapsed": time.perf_counter_ns() - begin, "times": sum(times, [])}


def read(asked):
    for line in sys.stdin:
        asked.put(line)
    stop.set()
    asked.put(None)


def main():
    payload = bytes.fromhex(sys.argv[1])
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(time.sleep, [0.05, 0.05]))  # starts both
        measure(pool, payload, 0.1, 1)
        print(json.dumps({"python": platform.python_version()}), flush=True)
        asked = queue.Queue()
        threading.Thread(target=read, args=(asked,), daemon=True).start()
        while (line := asked.get()) is not None:
            seconds, count = line.split()
            print(json.dumps(measure(pool, payload, float(seconds), int(count))), flush=True)


if __name__ == "__main__":
    main()
